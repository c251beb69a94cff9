// Calls the gateway with the types of openapi-typescript. Arguments: URL, key.
import createClient from "openapi-fetch";
import type { paths } from "./schema.js";

const [url, key] = process.argv.slice(2);
const client = createClient<paths>({
  baseUrl: url,
  headers: { Authorization: `Bearer ${key}` },
});

const identity = await client.GET("/api/auth/whoami");
const created = await client.POST("/api/keys", {
  body: { name: "generated", expires_in_days: 1, allowed_networks: [] },
});
const models = await client.GET("/api/models", { params: { query: { limit: 1 } } });
const log = await client.GET("/api/attestations/log");
const missing = await client.GET("/api/models/{model_id}", {
  params: { path: { model_id: "hkm_none" } },
});

console.log(
  JSON.stringify({
    tenant: identity.data?.tenant,
    key: created.data?.key,
    models: models.data?.items.length,
    origin: log.data?.origin,
    reason: missing.error?.reason,
  }),
);
