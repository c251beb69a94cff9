const TIME = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.0{1,6})?(?:Z|([+-])(\d\d):(\d\d))$/;

/**
 * Seconds from 1970-01-01 UTC to a time of RFC 3339, in whole seconds; NaN for any other text.
 *
 * `Date.parse` would also read times without a time zone, and forms that differ between browsers.
 */
export function seconds(text) {
  const [, year, month, day, hour, minute, second, , sign, ...offset] = TIME.exec(text) ?? [];
  if (year === undefined) return NaN;
  const local = new Date(0);
  local.setUTCFullYear(Number(year), Number(month) - 1, Number(day));
  const isDate = local.getUTCMonth() === Number(month) - 1 && local.getUTCDate() === Number(day);
  const [offsetHour, offsetMinute] = offset.map((part) => Number(part ?? 0));
  const inRange = hour < 24 && minute < 60 && second < 60 && offsetHour < 24 && offsetMinute < 60;
  if (!isDate || Number(year) < 1 || !inRange) return NaN;
  const east = (offsetHour * 3600 + offsetMinute * 60) * (sign === "-" ? -1 : 1);
  return local.getTime() / 1000 + hour * 3600 + minute * 60 + Number(second) - east;
}
