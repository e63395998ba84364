// A small box beside a button, closed by Escape, by a click elsewhere, or by what is in it.
import { el } from "./dom.js";

let open = null;

// make(close) → what is in the box. The first thing in it that can be used gets the focus, the button gets it back.
export function popover(button, make) {
  if (open) { const was = open.button; open.close(); if (was === button) return; }
  const box = el("div", { class: "popover" });
  const close = (back = true) => {
    if (open?.box !== box) return;
    box.remove();
    open = null;
    button.setAttribute("aria-expanded", "false");
    removeEventListener("pointerdown", away, true);
    removeEventListener("keydown", key, true);
    if (back) button.focus({ preventScroll: true });
  };
  const away = (e) => { if (!box.contains(e.target) && !button.contains(e.target)) close(false); };
  const key = (e) => {
    if (e.key === "Escape") { e.stopPropagation(); close(); }
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key], all = [...box.querySelectorAll("[role=menuitem], [role=menuitemradio]")];
    if (step && all.length && !(e.target instanceof HTMLInputElement)) { e.preventDefault(); all[(all.indexOf(document.activeElement) + step + all.length) % all.length].focus(); }
  };
  open = { box, button, close };
  box.append(make(close));
  document.body.append(box);
  const at = button.getBoundingClientRect(), { width, height } = box.getBoundingClientRect();
  const left = Math.max(8, Math.min(at.left, innerWidth - width - 8)), below = at.bottom + 6 + height < innerHeight || at.top < height + 6;
  box.style.left = `${Math.round(at.right - width > 8 && at.left + width > innerWidth - 8 ? at.right - width : left) + scrollX}px`;
  box.style.top = `${Math.round(below ? at.bottom + 6 : at.top - height - 6) + scrollY}px`;
  button.setAttribute("aria-expanded", "true");
  addEventListener("pointerdown", away, true);
  addEventListener("keydown", key, true);
  box.querySelector("input, [aria-checked=true], button")?.focus({ preventScroll: true });
}
