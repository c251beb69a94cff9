// What pages can do with scripts: copy what a button or a box of lines names, and show the model
// that a page is about where its lineage is wider than the window.

function copies(button, text) {
  const label = button.getAttribute("aria-label");
  let shown;
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(text());
    button.classList.add("done");
    button.setAttribute("aria-label", "Copied");
    clearTimeout(shown);
    shown = setTimeout(() => {
      button.classList.remove("done");
      button.setAttribute("aria-label", label);
    }, 1500);
  });
  button.hidden = false;
}

// Browsers have a clipboard only over HTTPS and on the own machine.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    copies(button, () => button.dataset.copy);
  }
  for (const lines of document.querySelectorAll("pre.paste")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.setAttribute("aria-label", "Copy these lines");
    copies(button, () => lines.querySelector("code").textContent);
    lines.append(button);
  }
}

for (const model of document.querySelectorAll("svg [aria-current]")) {
  const box = model.closest(".scroll");
  const { left, right } = model.getBoundingClientRect();
  if (right > box.getBoundingClientRect().right) {
    box.scrollLeft = (left + right - box.clientWidth) / 2 - box.getBoundingClientRect().left;
  }
}
