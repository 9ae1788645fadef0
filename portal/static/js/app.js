// What every page may use: copy buttons, the time zone field, ages that count on, and live values.
"use strict";

(() => {
  const { formats } = document.documentElement.dataset;
  const words = JSON.parse(document.documentElement.dataset.words);
  const filled = (word, value) => words[word].replace("{}", value);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const part = (within, name) => within.querySelector(`[data-part="${name}"]`);

  // --- the browser's time zone, offered to the sign-up form -------------------------------------------------------
  function offerZone() {
    for (const field of all("[data-time-zone]")) {
      field.value = field.value || Intl.DateTimeFormat().resolvedOptions().timeZone || "";
    }
  }

  // --- copy buttons: hidden until now, for without this script they could do nothing ------------------------------
  async function copy(text, source) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    // A plain http:// address has no clipboard: select the text and use the older way.
    const range = document.createRange();
    range.selectNodeContents(source);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
    return document.execCommand("copy") ? undefined : Promise.reject(new Error("not copied"));
  }

  function offerCopy(button) {
    const source = document.getElementById(button.dataset.copy);
    if (!source) return;
    const label = button.querySelector("[data-label]");
    const resting = label.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      try {
        await copy(source.textContent, source);
        label.textContent = words.copied;
      } catch {
        label.textContent = words.marked;
      }
      setTimeout(() => (label.textContent = resting), 2500);
    });
  }

  // A page that a form's answer has put in place of another begins like a loaded one.
  function begin() {
    offerZone();
    all("button[data-copy]").forEach(offerCopy);
  }
  document.addEventListener("deye:shown", begin);
  begin();

  // --- ages, in the words of portal/dashboard/numbers.py ----------------------------------------------------------
  const days = new Intl.RelativeTimeFormat(formats);
  function age(seconds) {
    const whole = Math.max(Math.floor(seconds), 0);
    if (whole < 3) return words.now;
    if (whole < 90) return filled("seconds", whole);
    if (whole < 5400) return filled("minutes", Math.floor(whole / 60));
    if (whole < 172800) return filled("hours", Math.floor(whole / 3600));
    return days.format(-Math.floor(whole / 86400), "day");
  }

  function countOn() {
    for (const time of all("time[data-since]")) {
      const text = age((Date.now() - Date.parse(time.dateTime)) / 1000);
      if (time.textContent !== text) time.textContent = text;
    }
  }
  setInterval(countOn, 1000);

  // --- live values ------------------------------------------------------------------------------------------------
  const put = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };

  function since(at, ago, text) {
    const time = document.createElement("time");
    time.dateTime = at;
    time.className = "nowrap";
    if (ago) time.dataset.since = "";
    time.textContent = ago ? age((Date.now() - Date.parse(at)) / 1000) : text;
    return time;
  }

  function say(key, verdict) {
    for (const place of all(`[data-verdict="${key}"]`)) {
      const classes = [...place.classList].filter((name) => !name.startsWith("state-"));
      place.className = [...classes, `state-${verdict.state}`].join(" ");
      put(part(place, "lead"), verdict.lead);
      put(part(place, "text"), verdict.text);
      part(place, "at").replaceChildren(...(verdict.at ? [since(verdict.at, verdict.ago, verdict.at_text)] : []));
      put(part(place, "rest"), verdict.rest);
    }
  }

  function power(key, amount, known) {
    for (const place of all(`[data-power="${key}"]`)) {
  place.classList.toggle("stale", !known);
      put(part(place, "value"), amount.value);
      put(part(place, "unit"), amount.unit);
    }
  }

  function today(id, values) {
    const home = document.querySelector(`[data-inverter="${id}"]`);
    const place = document.querySelector(`[data-today="${id}"]`);
    if (!home || !place || !("base" in home.dataset) || !("total_energy" in values)) return;
    const kwh = values.total_energy - Number(home.dataset.base);
    if (kwh < 0) return;
    home.dataset.kwh = kwh;
    put(part(place, "value"), energy(kwh));
    const sum = document.querySelector('[data-today="all"]');
    const homes = all("[data-inverter]").map((one) => one.dataset.kwh);
    if (sum && homes.every((one) => one !== undefined)) {
      put(part(sum, "value"), energy(homes.reduce((total, one) => total + Number(one), 0)));
    }
  }

  function energy(kwh) {
    const digits = kwh < 9.995 ? 2 : kwh < 99.95 ? 1 : 0;
    return kwh.toLocaleString(formats, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  }

  function ladder(event) {
    for (const place of all(`[data-ladder="${event.id}"]`)) {
      place.dispatchEvent(new CustomEvent("deye:rung", { detail: event }));
    }
  }

  document.addEventListener("htmx:afterSwap", (swap) => {
    const place = document.querySelector("[data-announce]");
    const step = swap.target.querySelector("[data-current-step]");
    if (place && swap.target.matches("[data-ladder]")) put(place, step ? step.textContent : words.arrived);
  });

  let announcedAt = 0;
  let announcedState = "";
  function announce(verdict) {
    const place = document.querySelector("[data-announce]");
    if (!place || (verdict.state === announcedState && Date.now() - announcedAt < 60_000)) return;
    announcedAt = Date.now();
    announcedState = verdict.state;
    put(place, verdict.lead + verdict.text + (verdict.ago ? words.now : verdict.at_text) + verdict.rest);
  }

  function onInverter(message) {
    const event = JSON.parse(message.data);
    say(event.id, event.verdict);
    power(event.id, event.power, event.watts !== null);
    today(event.id, event.values);
    if (document.querySelector(`main [data-inverter="${event.id}"]`) && document.querySelector("[data-curve]")) {
      for (const [name, text] of Object.entries(event.shown)) {
        for (const place of all(`[data-value="${name}"]`)) put(place, text);
      }
      announce(event.verdict);
    }
    ladder(event);
    document.dispatchEvent(new CustomEvent("deye:inverter", { detail: event }));
  }

  function onOverview(message) {
    const event = JSON.parse(message.data);
    say("all", event.verdict);
    power("all", event.power, event.power.value !== "\u2013");
    const newest = document.querySelector("[data-newest]");
    if (newest && event.newest) newest.replaceChildren(since(event.newest, true, ""));
    if (document.querySelector('[data-verdict="all"]')) announce(event.verdict);
  }

  let stream = null;
  function listen() {
    if (stream || document.hidden) return;
    stream = new EventSource(document.body.dataset.events);
    stream.addEventListener("inverter", onInverter);
    stream.addEventListener("overview", onOverview);
  }
  function leave() {
    if (stream) stream.close();
    stream = null;
  }

  if (document.body.dataset.events) {
    document.addEventListener("visibilitychange", () => (document.hidden ? leave() : listen()));
    window.addEventListener("pagehide", leave);
    window.addEventListener("pageshow", listen);
    listen();
  }
})();
