// Loads Mermaid from this site, and only on a page that has a diagram. The theme would load it from
// a foreign host, but takes what `window.mermaid` holds instead.
(() => {
  const source = new URL("mermaid/mermaid.min.js", document.currentScript.src).href;
  let options;
  let loading;

  const load = () =>
    (loading ??= new Promise((resolve, reject) => {
      const script = document.createElement("script");
      script.src = source;
      script.onload = () => {
        window.mermaid.initialize(options); // Mermaid has put itself in this one's place
        resolve(window.mermaid);
      };
      script.onerror = () => reject(new Error(`cannot load ${source}`));
      document.head.append(script);
    }));

  window.mermaid = {
    initialize(given) {
      options = given;
    },
    async render(...args) {
      return (await load()).render(...args);
    },
  };
})();
