-- Asks Haechi whether a request may go on: `http-request lua.haechi ADDRESS`.
-- Where it may, the headers that tell of the caller are set. Everything else is answered here: by what Haechi says, or 503 where it says nothing.

local hop = {
  ["connection"] = true, ["content-length"] = true, ["transfer-encoding"] = true, ["expect"] = true,
  ["upgrade"] = true, ["te"] = true, ["trailer"] = true, ["keep-alive"] = true, ["proxy-connection"] = true,
}

local function refuse(txn, status, headers, body)
  local reply = txn:reply({ status = status })
  for name, values in pairs(headers or {}) do
    if not hop[name] then
      for _, value in pairs(values) do
        reply:add_header(name, value)
      end
    end
  end
  reply:set_body(body or "")
  txn:done(reply)
end

core.register_action("haechi", { "http-req" }, function(txn, address)
  local asked = {}
  for name, values in pairs(txn.http:req_get_headers()) do
    if not hop[name] then
      local all = {}
      for _, value in pairs(values) do
        all[#all + 1] = value
      end
      asked[name] = all
    end
  end
  asked["x-forwarded-method"] = { txn.f:method() }
  asked["x-forwarded-uri"] = { txn.f:url() }
  local answer = core.httpclient():get({
    url = "http://" .. address .. "/forward_auth", headers = asked, timeout = 5000,
  })
  if not answer or not answer.status or answer.status < 200 or answer.status >= 500 and not answer.headers then
    return refuse(txn, 503)
  end
  if answer.status ~= 200 then
    return refuse(txn, answer.status, answer.headers, answer.body)
  end
  for name, values in pairs(answer.headers) do
    if name:find("^x%-auth%-") or name == "x-request-id" then
      txn.http:req_del_header(name)
      for _, value in pairs(values) do
        txn.http:req_add_header(name, value)
      end
    end
  end
  txn:set_var("txn.haechi_allowed", true)
end, 1)
