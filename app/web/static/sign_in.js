// Signs in with a wallet or a link, and keeps the fragment of the page that one wanted to see.
import { findWallets, inWords, send, signMessage } from "./wallets.js";

const form = document.getElementById("key-form");
const problem = document.getElementById("problem");
const next = form.elements.next;

function show(text) {
  problem.textContent = text;
  problem.hidden = !text;
}

// The browser keeps the fragment when it is sent here, and the gateway never sees it.
const fragment = location.hash;
const link = fragment.startsWith("#link=") ? fragment.slice("#link=".length) : "";
if (link) {
  // It must not stay in the address bar and in the history.
  history.replaceState(null, "", location.pathname + location.search);
} else if (fragment.length > 1 && !next.value.includes("#")) {
  next.value += fragment;
}

function leave() {
  const target = new URL(next.value, location.origin);
  location.assign(target.origin === location.origin ? target : "/");
}

async function attempt(signs) {
  show("");
  try {
    await send("/api/auth/sign-in", await signs());
    leave();
  } catch (error) {
    show(inWords(error));
  }
}

if (link) attempt(async () => ({ link }));

const list = document.getElementById("wallets");
findWallets(({ name, icon, provider }) => {
  document.getElementById("no-wallet").hidden = true;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "wallet";
  if (icon.startsWith("data:image/")) {
    const picture = document.createElement("img");
    picture.src = icon;
    picture.alt = "";
    button.append(picture);
  }
  button.append(`Sign in with ${name}`);
  button.addEventListener("click", () => attempt(() => signMessage(provider)));
  list.append(button);
});
