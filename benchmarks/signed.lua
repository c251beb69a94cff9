-- Signs each request with another message. Arguments: a file with `message TAB signature` on each
-- line, the wallet's address, and the method.
local signatures, at = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local message, signature = line:match("([^\t]+)\t(.+)")
        signatures[#signatures + 1] = {message, signature}
    end
    wrk.headers["X-ETH-Address"] = arguments[2]
    wrk.method = arguments[3]
    if wrk.method == "POST" then
        wrk.headers["Content-Type"] = "application/json"
        wrk.body = '{"run_id": "5f0c8d3b9a7e4e2f8f6f1f0f3a2b1c0d", "key": "accuracy", "value": 0.875, "timestamp": 1735689660000}'
    end
end

function request()
    at = at % #signatures + 1
    wrk.headers["X-ETH-Message"], wrk.headers["X-ETH-Signature"] = unpack(signatures[at])
    return wrk.format()
end
