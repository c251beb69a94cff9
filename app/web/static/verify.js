// Checks attestations in the browser, by the package in hokusai-verify.js. Nothing is sent anywhere
// but by the two buttons that say so. A classic script, so that a saved page works without a server.
"use strict";
(() => {
  const { DocumentError, InputError, LogExport, MAX_BYTES, MAX_LOG_BYTES, hashFiles, printable, verify } =
    globalThis.hokusaiVerify;

  const WORDS = { holds: "ok", fails: "not ok", unchecked: "cannot say" };
  const NAMES = {
    hash: "Hash",
    signature: "Signature",
    signer: "Signer",
    eas: "EAS envelope",
    proof: "Proof",
    acceptance: "Acceptance",
    bundle: "Bundle",
    model_signature: "Model's signature",
    model: "Model's files",
    checkpoint: "Checkpoint",
    consistency: "Consistency",
    export: "Copy of the log",
    inclusion: "Entry in the log",
    witnesses: "Witnesses",
    revocation: "Revocation",
  };
  // Each public key in a text of several.
  const PEM = /-----BEGIN [^-]+-----[^-]+-----END [^-]+-----/g;
  const FRAGMENT = "#attestation=";
  const PAGE = 1000;
  // The log is read in pages of 1,000 entries. A larger one is better read by a program, to a file.
  const MAX_PAGES = 200;

  /** An element with these attributes and children; texts are never read as HTML. */
  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  /** What a person can do about an error: its own words, if they were written for people. */
  function reason(error) {
    if (error instanceof DocumentError || error instanceof InputError) return printable(error.message);
    return `This could not be read: ${printable(error.message)}`;
  }

  async function bytesOf(file, limit) {
    if (file.size > limit) throw new DocumentError(`${file.name} is larger than ${limit / 1024} KiB.`);
    return new Uint8Array(await file.arrayBuffer());
  }

  const textOf = (bytes) => new TextDecoder().decode(bytes);

  /** The document that a link carries after `#`, where no server sees it: base64url, or JSON itself. */
  function fromFragment(fragment) {
    if (!fragment.startsWith(FRAGMENT)) return null;
    const given = fragment.slice(FRAGMENT.length);
    try {
      if (!/^[A-Za-z0-9_-]+=*$/.test(given)) return decodeURIComponent(given);
      const binary = atob(given.replaceAll("-", "+").replaceAll("_", "/"));
      return Uint8Array.from(binary, (character) => character.charCodeAt(0));
    } catch {
      throw new DocumentError("The link is not complete: what follows # is not an attestation.");
    }
  }

  function toFragment(bytes) {
    const binary = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return FRAGMENT + btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  }

  /** One place on a page where attestations are checked. */
  class Checker {
    #root;
    #known;
    // The document, as bytes, or a promise of them.
    #document = null;
    // What it is checked with, by the names of the options of `verify`: values, or promises of them.
    #evidence = {};
    // The check that was begun last, which alone may show its results.
    #latest = null;
    // What the gateway has responded about this document.
    #responses = null;

    constructor(root) {
      this.#root = root;
      this.#known = JSON.parse(this.#part("known").textContent);
      const given = this.#part("document");
      if (given) this.#document = new TextEncoder().encode(given.textContent);
      this.#listen();
      for (const hidden of root.querySelectorAll("[data-scripted]")) hidden.hidden = false;
      if (this.#part("paste")) this.#readLink();
    }

    #part(name) {
      return this.#root.querySelector(`[data-part="${name}"]`);
    }

    #on(name, event, act) {
      this.#part(name)?.addEventListener(event, async (details) => {
        this.#part("trouble").hidden = true;
        try {
          await act(details);
        } catch (error) {
          this.#fail(error);
        }
      });
    }

    /** Check again with what `read` makes of the files that are chosen, as the option `name`. */
    #onFile(part, name, read) {
      this.#on(part, "change", ({ target: { files } }) => {
        this.#evidence[name] = files.length > 0 ? read([...files]) : undefined;
        return this.#check();
      });
    }

    /** What the gateway did not do leaves the results of the browser as they are. */
    #complain(error) {
      this.#part("trouble").textContent = reason(error);
      this.#part("trouble").hidden = false;
    }

    #listen() {
      this.#on("check", "click", () => {
        const pasted = this.#part("paste");
        return pasted ? this.#take(new TextEncoder().encode(pasted.value)) : this.#check();
      });
      this.#on("paste", "input", ({ inputType, target }) => {
        if (inputType === "insertFromPaste") return this.#take(new TextEncoder().encode(target.value));
      });
      this.#on("file", "change", ({ target }) => this.#read(target.files[0]));
      this.#onFile("log", "log", async ([file]) => LogExport.read(await bytesOf(file, MAX_LOG_BYTES)));
      this.#onFile("checkpoint", "checkpoint", async ([file]) => textOf(await bytesOf(file, MAX_BYTES)));
      this.#onFile("consistency", "consistency", ([file]) => bytesOf(file, MAX_BYTES));
      this.#onFile("bundle", "bundle", ([file]) => bytesOf(file, MAX_BYTES));
      this.#onFile("model-signature", "modelSignature", ([file]) => bytesOf(file, MAX_BYTES));
      this.#onFile("model", "model", hashFiles);
      for (const name of ["attestors", "keys", "circuits", "envelope-keys", "witnesses", "quorum"]) {
        this.#on(name, "change", () => this.#check());
      }
      this.#on("ask", "click", () => this.#ask().catch((error) => this.#complain(error)));
      this.#on("read-log", "click", ({ target }) => this.#readLog(target).catch((error) => this.#complain(error)));
      this.#on("link", "click", ({ target }) => this.#copyLink(target));
      const zone = this.#part("drop");
      if (!zone) return;
      // A file that is dropped beside the box must not replace the page.
      for (const event of ["dragover", "drop"]) window.addEventListener(event, (details) => details.preventDefault());
      for (const [event, isOver] of [["dragover", true], ["dragleave", false], ["drop", false]]) {
        zone.addEventListener(event, () => zone.classList.toggle("over", isOver));
      }
      this.#on("drop", "drop", ({ dataTransfer }) => {
        const [file] = dataTransfer.files;
        const text = dataTransfer.getData("text/plain");
        if (file) return this.#read(file);
        if (text) return this.#take(new TextEncoder().encode(text));
      });
      window.addEventListener("hashchange", () => this.#readLink());
    }

    #readLink() {
      try {
        const given = fromFragment(location.hash);
        if (given !== null) this.#take(typeof given === "string" ? new TextEncoder().encode(given) : given);
      } catch (error) {
        this.#fail(error);
      }
    }

    #read(file) {
      if (file) return this.#take(bytesOf(file, MAX_BYTES));
    }

    /** Check another document. */
    #take(document) {
      this.#document = document;
      this.#responses = null;
      return this.#check();
    }

    /** Check with what was chosen, once it has been read. */
    async #check() {
      const check = {};
      this.#latest = check;
      this.#root.setAttribute("aria-busy", "true");
      const slow = setTimeout(() => this.#say("unknown", "Reading the files."), 300);
      try {
        const chosen = Object.entries({ document: this.#document, ...this.#evidence });
        const read = await Promise.all(chosen.map(async ([name, value]) => [name, await value]));
        if (check === this.#latest) this.#verify(Object.fromEntries(read));
      } catch (error) {
        if (check === this.#latest) this.#fail(error);
      } finally {
        clearTimeout(slow);
        if (check === this.#latest) this.#root.removeAttribute("aria-busy");
      }
    }

    #verify({ document, ...evidence }) {
      if (document === null) {
        this.#part("verdict").hidden = true;
        return;
      }
      const { signer, signers, log, circuits = [] } = this.#known;
      const named = { attestors: [signer, ...signers], keys: log.keys, circuits };
      const trusted = (name) => this.#part(name)?.value.split(/\s+/).filter(Boolean) ?? named[name];
      const isOwn = Object.keys(named).every((name) => trusted(name).every((one) => named[name].includes(one)));
      const report = verify(document, {
        attestors: trusted("attestors"),
        logKeys: trusted("keys"),
        circuits: trusted("circuits"),
        ...evidence,
        // Without a checkpoint there is nothing that it could begin or end at.
        consistency: evidence.checkpoint === undefined ? undefined : evidence.consistency,
        ...this.#witnesses(),
        envelopeKeys: this.#part("envelope-keys")?.value.match(PEM) ?? [],
      });
      this.#show(report);
      this.#part("compared").textContent = isOwn
        ? "Signer and checkpoint were compared with the attestors and keys that this gateway names."
        : "Signer and checkpoint were compared with attestors and keys that you have put in.";
    }

    /** Which witnesses must have cosigned, and how many of them. */
    #witnesses() {
      const witnesses = this.#part("witnesses")?.value.split(/\s+/).filter(Boolean) ?? [];
      const quorum = this.#part("quorum")?.value;
      return { witnesses, quorum: witnesses.length > 0 && quorum ? Number(quorum) : undefined };
    }

    #fail(error) {
      this.#part("results").hidden = true;
      this.#say("bad", reason(error));
    }

    #say(kind, text) {
      const verdict = this.#part("verdict");
      verdict.className = `verdict ${kind}`;
      verdict.textContent = text;
      verdict.hidden = false;
    }

    #show(report) {
      this.#say(...sentence(report));
      this.#part("rows").replaceChildren(...report.checks.map((check) => this.#row(check)));
      this.#part("gateway-column").hidden = this.#responses === null;
      const unsigned = this.#part("unsigned");
      unsigned.hidden = report.unsigned.length === 0;
      unsigned.textContent = `Nobody signed these members, and anybody can have added them: ${printable(report.unsigned.join(", "))}.`;
      this.#part("attested").hidden = report.data === null;
      const text = JSON.stringify(report.data, null, 2) ?? "";
      this.#part("data").textContent = text.split("\n").map(printable).join("\n");
      this.#part("results").hidden = false;
    }

    #row({ name, result, detail }) {
      const row = element(
        "tr",
        { "data-check": name, "data-result": result },
        element("th", { scope: "row" }, NAMES[name]),
        outcome("In this browser", result, detail),
      );
      if (this.#responses !== null) {
        const response = this.#responses[name === "revocation" ? "revoked" : name];
        const theirs = response && ({ true: "holds", false: "fails" }[response.ok] ?? "unchecked");
        row.append(response ? outcome("By the gateway", theirs, response.detail) : element("td", {}, "part of another check"));
      }
      return row;
    }

    async #ask() {
      const asked = this.#document;
      const response = await fetch("/api/attestations/verify", {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: await asked,
      }).catch(() => null);
      const body = await response?.json();
      if (!response?.ok) throw new DocumentError(`The gateway did not check it: ${body?.message ?? "it cannot be reached."}`);
      if (asked !== this.#document) return;
      this.#responses = body.checks;
      return this.#check();
    }

    /** Fetch the newest checkpoint and all entries up to it. They say nothing about the document. */
    async #readLog(button) {
      const label = button.textContent;
      const get = async (path) => {
        const headers = { Accept: "application/json" };
        const response = await fetch(`/api/attestations/log${path}`, { credentials: "omit", headers }).catch(() => null);
        if (response === null) throw new DocumentError("The log cannot be read: the gateway cannot be reached.");
        if (!response.ok) throw new DocumentError(`The log cannot be read: the gateway responds with status ${response.status}.`);
        return response.json();
      };
      button.disabled = true;
      try {
        const { checkpoint, cosigned, tree_size: size } = await get("");
        if (size > MAX_PAGES * PAGE) {
          throw new DocumentError(`The log has ${size} entries, too many for a page: use "hokusai log export", and choose its file.`);
        }
        const pages = [];
        for (let start = 0; start < size; start += PAGE) {
          button.textContent = `Reading ${start} of ${size} entries`;
          pages.push(await get(`/entries?start=${start}&limit=${PAGE}`));
        }
        this.#evidence.log = LogExport.read(pages);
        // Where witnesses are required, the newest checkpoint that they have cosigned.
        this.#evidence.checkpoint = (this.#witnesses().witnesses.length > 0 && cosigned) || checkpoint;
        await this.#check();
      } finally {
        button.disabled = false;
        button.textContent = label;
      }
    }

    async #copyLink(button) {
      const url = new URL("/verify", location.href);
      url.hash = toFragment(await this.#document);
      await navigator.clipboard.writeText(url.href);
      const label = button.textContent;
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = label), 1500);
    }
  }

  const outcome = (where, result, detail) =>
    element(
      "td",
      { "data-where": where },
      element(
        "div",
        { class: "outcome" },
        element("b", { class: `result ${result}` }, WORDS[result]),
        element("span", {}, printable(detail)),
      ),
    );

  /** The class and the words that a whole report comes to. */
  function sentence(report) {
    const result = (name) => report.check(name)?.result;
    const failed = report.checks.filter((check) => check.result === "fails");
    if (failed.length > 0) {
      const names = failed.map(({ name }) => NAMES[name].toLowerCase()).join(", ");
      return ["bad", `This attestation does not hold. Not ok: ${names}.`];
    }
    if (!report.ok) return ["unknown", `Nothing is wrong with it, but whether to trust its signer cannot be said: ${printable(report.check("signer").detail)}.`];
    const holds = `This attestation holds: ${report.kind}, signed by ${report.signer}.`;
    if (report.complete) return ["good", `${holds} Every check was made, and the log does not revoke it.`];
    return ["good", result("revocation") === "holds" ? holds : `${holds} Whether it was revoked since was not checked.`];
  }

  for (const root of document.querySelectorAll("[data-verify]")) new Checker(root);
})();
