-- A claimed attestation for each request, no two of which are the same.
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local count, start = 0, os.time()

function init(arguments)
    -- Apart from the requests of other rounds.
    math.randomseed(start)
    start = start * 1000 + math.random(999)
end

function request()
    count = count + 1
    wrk.headers["Idempotency-Key"] = start .. "-" .. count
    wrk.body = string.format(
        '{"kind": "claimed", "metrics": {"baseline": {"accuracy": 0.85, "f1": 0.8}, "improved": {"accuracy": 0.%d, "f1": 0.82}}, "data_contribution": {"contributor": "0x742d35cc6634c0532925a3b844bc9e7595f62341", "data_size": 5000}}',
        860000 + count % 99999
    )
    return wrk.format()
end
