// Calls the gateway with the client that @hey-api/openapi-ts generated. Arguments: URL, key.
import { client } from "./hey_api/client.gen.js";
import {
  createOwnKey,
  getCheckpoint,
  getIdentity,
  getModel,
  listModels,
} from "./hey_api/sdk.gen.js";

const [url, key] = process.argv.slice(2);
const served = client.getConfig().baseUrl;
// `auth` answers for every security scheme of the document.
client.setConfig({ auth: () => key, baseUrl: url });

const identity = await getIdentity({ throwOnError: true });
const created = await createOwnKey({
  body: { name: "generated", expires_in_days: 1 },
  throwOnError: true,
});
const models = await listModels({ query: { limit: 1 }, throwOnError: true });
const log = await getCheckpoint({ throwOnError: true });
const missing = await getModel({ path: { model_id: "hkm_none" } });

console.log(
  JSON.stringify({
    served,
    tenant: identity.data.tenant,
    key: created.data.key,
    models: models.data.items.length,
    origin: log.data.origin,
    reason: missing.error?.reason,
  }),
);
