const ISO = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)([.,]\d{1,6})?)?(?:Z|([+-])(\d\d):?(\d\d)(?::?(\d\d))?)$/;

/**
 * Seconds from 1970-01-01 UTC to an ISO 8601 time with a time zone; NaN for any other text.
 *
 * `Date.parse` would also read times without a time zone, and forms that differ between browsers.
 */
export function seconds(text) {
  const [, year, month, day, hour, minute, second = "0", fraction = "", sign, ...offset] = ISO.exec(text) ?? [];
  if (year === undefined) return NaN;
  const local = new Date(0);
  local.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  const isDate = local.getUTCMonth() === Number(month) - 1 && local.getUTCDate() === Number(day);
  const [offsetHour = 0, offsetMinute = 0, offsetSecond = 0] = offset.map((part) => Number(part ?? 0));
  const inRange = hour < 24 && minute < 60 && second < 60 && offsetHour < 24 && offsetMinute < 60 && offsetSecond < 60;
  if (!isDate || Number(year) < 1 || !inRange) return NaN;
  const clock = (hours, minutes, rest) => Number(hours) * 3600 + Number(minutes) * 60 + Number(rest);
  const east = clock(offsetHour, offsetMinute, offsetSecond) * (sign === "-" ? -1 : 1);
  return local.getTime() / 1000 + clock(hour, minute, second) + Number(fraction.replace(",", ".")) - east;
}
