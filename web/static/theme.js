// Chooses light or dark before the first paint, so that nothing flashes. Not a module: it has to run while the head is read.
(() => {
  const root = document.documentElement, system = matchMedia("(prefers-color-scheme: dark)");
  const stored = () => { try { return localStorage.getItem("hxp-theme"); } catch { return null; } };
  const apply = () => {
    const theme = stored() ?? (system.matches ? "dark" : "light");
    if (root.dataset.theme === theme) return;
    root.dataset.theme = theme;
    dispatchEvent(new CustomEvent("themechange", { detail: theme }));
  };
  const toggle = () => {
    const next = root.dataset.theme === "dark" ? "light" : "dark";
    // back to what the system says: then follow the system again
    try {
      if (next === (system.matches ? "dark" : "light")) localStorage.removeItem("hxp-theme");
      else localStorage.setItem("hxp-theme", next);
    } catch { /* private mode: it holds for this page */ }
    root.dataset.theme = next;
    dispatchEvent(new CustomEvent("themechange", { detail: next }));
  };
  apply();
  system.addEventListener("change", apply);
  addEventListener("storage", (e) => { if (e.key === "hxp-theme") apply(); });
  addEventListener("DOMContentLoaded", () => {
    document.getElementById("theme")?.addEventListener("click", toggle);
  });
  addEventListener("keydown", (e) => {
    if (e.key === "t" && !e.ctrlKey && !e.metaKey && !e.altKey && !e.target.closest?.("input, select, textarea")) toggle();
  });
})();
