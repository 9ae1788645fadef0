// Forms with scripts: what is wrong is said in the form that was sent, and what was typed stays. Without this they work
// too: the answer is then a page of its own.
"use strict";

(() => {
  const words = JSON.parse(document.documentElement.dataset.words);
  const sending = new WeakSet();

  function buttons(form, off) {
    for (const button of form.querySelectorAll("button:not([type=button])")) button.disabled = off;
    form.toggleAttribute("aria-busy", off);
  }

  // The header's own forms have no room for a sentence: theirs stands at the top of the page.
  function complain(form, sentence) {
    const place = document.createElement("p");
    place.className = "form-error";
    place.dataset.refusal = "";
    place.setAttribute("role", "alert");
    place.textContent = sentence;
    const main = document.querySelector("main");
    for (const old of main.querySelectorAll(".form-error")) old.remove();
    (main.contains(form) ? form : main).prepend(place);
    place.scrollIntoView({ block: "nearest" });
  }

  function show(form, text) {
    const page = new DOMParser().parseFromString(text, "text/html");
    const refusal = page.querySelector("[data-error-page]");
    if (refusal) {
      const said = [...refusal.querySelectorAll("h1, h1 + p")].map((one) => one.textContent.trim());
      complain(form, said.join(". "));
      return;
    }
    const main = document.adoptNode(page.querySelector("main"));
    document.title = page.title;
    document.querySelector("main").replaceWith(main);
    document.dispatchEvent(new CustomEvent("deye:shown"));
    if (window.htmx) window.htmx.process(main);
    const wrong = main.querySelector('[aria-invalid="true"]');
    const first = wrong || main.querySelector('[role="alert"]') || main.querySelector("h1");
    if (!wrong) first.tabIndex = -1;
    first.focus();
  }

  function go(address) {
    const there = new URL(address, location.href);
    if (there.hash && there.pathname === location.pathname && there.search === location.search) {
      // A browser would only scroll, and show what was there before.
      history.replaceState(null, "", there);
      location.reload();
    } else {
      location.assign(there);
    }
  }

  async function send(form, body) {
    let answer;
    try {
      answer = await fetch(form.action, {
        method: "POST",
        body: new URLSearchParams(body),
        headers: { Accept: "text/html", "HX-Request": "true" },
      });
      const next = answer.headers.get("HX-Redirect") || (answer.redirected ? answer.url : "");
      if (next) return go(next);
      show(form, await answer.text());
    } catch {
      complain(form, words.away);
    }
    sending.delete(form);
    buttons(form, false);
  }

  document.addEventListener("submit", (event) => {
    const form = event.target;
    if (form.method !== "post" || event.defaultPrevented) return;
    event.preventDefault();
    if (sending.has(form)) return;
    sending.add(form);
    const body = new FormData(form);
    const pressed = event.submitter;
    if (pressed && pressed.name) body.append(pressed.name, pressed.value);
    buttons(form, true);
    send(form, body);
  });

  window.addEventListener("pageshow", (event) => {
    if (!event.persisted) return;
    for (const form of document.forms) {
      sending.delete(form);
      buttons(form, false);
    }
  });
})();
