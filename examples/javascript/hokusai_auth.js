// The guide's class HokusaiAuth in JavaScript: a wallet signs every request.
import { Wallet } from "ethers";

export class HokusaiAuth {
  // privateKey: 0x and 64 hexadecimal digits. apiBase: the gateway's /api.
  constructor(privateKey, apiBase) {
    this.wallet = new Wallet(privateKey);
    this.apiBase = apiBase;
  }

  // The headers for one request. The gateway accepts a signature for one changing request only.
  async headers() {
    // The time is UTC. The gateway accepts the message within five minutes of it.
    const message = `Hokusai API Access - ${new Date().toISOString()}`;
    return {
      "X-ETH-Address": this.wallet.address,
      "X-ETH-Message": message,
      "X-ETH-Signature": await this.wallet.signMessage(message),
    };
  }

  // Sends a signed request and returns the parsed JSON. endpoint: the path after /api.
  async request(method, endpoint, body) {
    return call(method, this.apiBase + endpoint, await this.headers(), body);
  }
}

// Sends a request with any headers, such as those of an API key, and returns the parsed JSON. Waits
// and retries while the rate limit is exceeded.
export async function call(method, url, headers, body) {
  for (;;) {
    const response = await fetch(url, {
      method,
      headers: { ...headers, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
      // A redirect could send the signature or the token to another host.
      redirect: "error",
    });
    if (response.status === 429) {
      const seconds = Number(response.headers.get("Retry-After") ?? 1);
      await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
      continue;
    }
    const document = await response.json();
    if (!response.ok) {
      throw new Error(`${response.status} ${document.reason}: ${document.message}`);
    }
    return document;
  }
}
