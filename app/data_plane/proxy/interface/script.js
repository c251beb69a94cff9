// Added by the gateway to MLflow's page, before MLflow's own scripts.
(() => {
  "use strict";

  // Browsers have it only over HTTPS and on loopback.
  if (typeof crypto.randomUUID !== "function") {
    crypto.randomUUID = () => {
      const bytes = crypto.getRandomValues(new Uint8Array(16));
      bytes[6] = (bytes[6] & 0x0f) | 0x40;
      bytes[8] = (bytes[8] & 0x3f) | 0x80;
      const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
      return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    };
  }

  // The assistant, which is not available here, opens by itself unless it has done so before. A box
  // says that MLflow collects usage data, which it does not here, unless it was closed before.
  try {
    localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
    localStorage.setItem("mlflow.telemetry.info.alert.dismissed_v1", "true");
  } catch {
    // Storage is off: the panel opens, and says that it is not set up; and the box is there.
  }

  // A session that has ended: sign in, and come back to the same place, which is in the fragment.
  let leaving = false;
  const signIn = () => {
    if (leaving) return;
    leaving = true;
    const here = location.pathname + location.search + location.hash;
    location.assign(`/login?next=${encodeURIComponent(here)}`);
  };
  const isOwn = (url) => {
    try {
      return new URL(url, document.baseURI).origin === location.origin;
    } catch {
      return false;
    }
  };
  const { fetch } = window;
  window.fetch = async (...request) => {
    const response = await fetch(...request);
    if (response.status === 401 && isOwn(response.url)) signIn();
    return response;
  };
  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = function (...body) {
    this.addEventListener("loadend", () => {
      if (this.status === 401 && isOwn(this.responseURL)) signIn();
    });
    return send.apply(this, body);
  };

  const signOut = async () => {
    await fetch("/api/auth/sessions/current", { method: "DELETE" });
    location.assign("/login");
  };

  // Entries of the side bar, below the one for settings and like it: the way to the registry, and
  // out. React may draw the side bar anew at any time.
  const icon = (path) =>
    `<svg width="1em" height="1em" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.5" aria-hidden="true"><path d="${path}"/></svg>`;
  const ENTRIES = [
    { text: "Hokusai registry", href: "/", path: "M1 11c3 0 3-6 6.5-6 2 0 2 3.5 5 3.5 1 0 2-.5 2.5-1.5M1 14h14" },
    { text: "Sign out", href: "/login", path: "M6 2H2v12h4M6 8h9M12 5l3 3-3 3", action: signOut },
  ];
  const addEntries = () => {
    const settings = document.querySelector('aside nav li > a[href^="#/settings"]');
    if (settings === null) return;
    const list = settings.parentElement.parentElement;
    const isNarrow = settings.textContent.trim() === "";
    const own = list.querySelectorAll("li[data-hokusai]");
    if (own.length > 0 && own[0].dataset.hokusai === String(isNarrow)) return;
    own.forEach((item) => item.remove());
    for (const { text, href, path, action } of ENTRIES) {
      const item = document.createElement("li");
      item.dataset.hokusai = isNarrow;
      const link = document.createElement("a");
      link.className = settings.className;
      link.href = href;
      link.title = text;
      const picture = document.createElement("span");
      picture.className = settings.querySelector("span")?.className ?? "";
      picture.innerHTML = icon(path);
      link.append(picture);
      if (isNarrow) link.setAttribute("aria-label", text);
      else link.append(text);
      if (action) {
        link.addEventListener("click", (event) => {
          event.preventDefault();
          action();
        });
      }
      item.append(link);
      list.append(item);
    }
  };
  let isDue = false;
  new MutationObserver(() => {
    if (isDue) return;
    isDue = true;
    requestAnimationFrame(() => {
      isDue = false;
      addEntries();
    });
  }).observe(document, { childList: true, subtree: true });
})();
