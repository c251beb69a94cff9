// Asks before keys and sessions end, and lets a wallet sign for keys that may live long.
import { findWallets, inWords, signMessage } from "./wallets.js";

for (const form of document.querySelectorAll("form[data-ask]")) {
  form.addEventListener("submit", (event) => {
    if (!confirm(form.dataset.ask)) event.preventDefault();
  });
}

const wallets = [];
const signed = document.querySelectorAll("form[data-signer]");
if (signed.length) findWallets(({ provider }) => wallets.push(provider));

for (const form of signed) {
  form.addEventListener("submit", async (event) => {
    const lives = Number(form.elements.days?.value ?? 90);
    // An older wallet is found later than the others, and a form may be sent before.
    const wallet = wallets[0] ?? window.ethereum;
    if (lives <= 1 || event.defaultPrevented || !wallet) return;
    event.preventDefault();
    const problem = document.getElementById("problem");
    try {
      const { message, signature } = await signMessage(wallet, form.dataset.signer);
      form.elements["siwe-message"].value = message;
      form.elements["siwe-signature"].value = signature;
      form.submit();
    } catch (error) {
      problem.textContent = inWords(error);
      problem.hidden = false;
      problem.scrollIntoView();
    }
  });
}
