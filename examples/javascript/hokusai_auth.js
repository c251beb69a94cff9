// The guide's HokusaiAuth: every request is signed afresh by a wallet.
import { Wallet } from "ethers";

export class HokusaiAuth {
  // privateKey: 0x and 64 hexadecimal digits. apiBase: the gateway's /api.
  constructor(privateKey, apiBase) {
    this.wallet = new Wallet(privateKey);
    this.apiBase = apiBase;
  }

  async headers() {
    // The time is UTC; the gateway takes it within five minutes, and for one change only.
    const message = `Hokusai API Access - ${new Date().toISOString()}`;
    return {
      "X-ETH-Address": this.wallet.address,
      "X-ETH-Message": message,
      "X-ETH-Signature": await this.wallet.signMessage(message),
    };
  }

  async request(method, endpoint, body) {
    return call(method, this.apiBase + endpoint, await this.headers(), body);
  }
}

// A request with any headers, such as those of a key: the JSON of its answer. Waits out the limit.
export async function call(method, url, headers, body) {
  for (;;) {
    const answer = await fetch(url, {
      method,
      headers: { ...headers, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      // A signature or token must not follow a redirect to somewhere else.
      redirect: "error",
    });
    if (answer.status === 429) {
      const seconds = Number(answer.headers.get("Retry-After") ?? 1);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      continue;
    }
    const document = await answer.json();
    if (!answer.ok) {
      throw new Error(`${answer.status} ${document.reason}: ${document.message}`);
    }
    return document;
  }
}
