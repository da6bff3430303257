// What the theme leaves out for those who read with the keyboard or by ear: names of its parts, and wide tables that can be reached.
function complete() {
  document.querySelectorAll("nav.md-code__nav").forEach((part, number) => part.setAttribute("aria-label", `Code ${number + 1}`));
  document.querySelectorAll(".md-typeset__scrollwrap, .md-typeset pre > code").forEach((part) => {
    if (part.scrollWidth > part.clientWidth) part.setAttribute("tabindex", "0");
  });
}
new MutationObserver(complete).observe(document.documentElement, { childList: true, subtree: true });
addEventListener("resize", complete);
addEventListener("load", complete);
