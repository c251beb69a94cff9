// The wallets of this browser, and what they sign. The gateway writes the text that is signed.

// Wallets announce themselves (EIP-6963); older ones are `window.ethereum` (EIP-1193).
export function findWallets(found) {
  const known = new Set();
  addEventListener("eip6963:announceProvider", (event) => {
    const { info, provider } = event.detail ?? {};
    if (!info || !provider || known.has(info.uuid)) return;
    known.add(info.uuid);
    found({ name: String(info.name), icon: String(info.icon ?? ""), provider });
  });
  dispatchEvent(new Event("eip6963:requestProvider"));
  setTimeout(() => {
    if (known.size === 0 && window.ethereum) {
      found({ name: "Browser wallet", icon: "", provider: window.ethereum });
    }
  }, 100);
}

export class Problem extends Error {}

// The response to a request of the API. Raises Problem with the gateway's own words.
export async function send(path, body) {
  const response = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const read = await response.json().catch(() => ({}));
  if (!response.ok) throw new Problem(read.message ?? `The gateway responded with ${response.status}.`);
  return read;
}

// A text of the gateway that the wallet has signed: message and signature. `address`: the account
// that has to sign; by default, the one that the person chooses.
export async function signMessage(provider, address) {
  const accounts = await provider.request({ method: "eth_requestAccounts" });
  const account = accounts.find((one) => !address || one.toLowerCase() === address.toLowerCase());
  if (!account) throw new Problem(`Choose the account ${address} in your wallet.`);
  const chain = Number(await provider.request({ method: "eth_chainId" })) || 1;
  const { message } = await send("/api/auth/message", { address: account, chain_id: chain });
  const bytes = new TextEncoder().encode(message);
  const hex = `0x${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
  const signature = await provider.request({ method: "personal_sign", params: [hex, account] });
  return { message, signature };
}

// What went wrong, for people. A person who refuses to sign has not met an error (EIP-1193).
export function inWords(error) {
  if (error?.code === 4001) return "Nothing was signed.";
  if (error instanceof Problem) return error.message;
  return `The wallet failed: ${error?.message ?? error}`;
}
