// On site: reads serials off stickers with the camera where the browser can, prints, and says who has come alive.
"use strict";

(() => {
  const canScan = "BarcodeDetector" in window && navigator.mediaDevices && "getUserMedia" in navigator.mediaDevices;
  // A serial as schema/serials.py takes it; stickers also carry addresses and part numbers.
  const SERIAL = /^[A-Z0-9]{6,32}$/;
  const LOGGER = /^\d{10}$/;
  const EVERY_MS = 150;

  const part = (name) => document.querySelector(`[data-scan-${name}]`);
  let stream = null;

  function serialIn(text) {
    const named = /(?:^|[^A-Z])S\/?N\s*[:=]\s*([A-Z0-9\-]+)/i.exec(text);
    return (named ? named[1] : text).replace(/[\s\-_.:/]+/g, "").toUpperCase();
  }

  function say(kind) {
    const place = part("said");
    place.textContent = place.dataset[kind];
  }

  function end() {
    for (const track of stream ? stream.getTracks() : []) track.stop();
    stream = null;
    const scanner = document.querySelector("[data-scanner]");
    if (scanner && scanner.open) scanner.close();
  }

  function take(serial, field) {
    end();
    field.value = serial;
    field.focus();
    if (navigator.vibrate) navigator.vibrate(80);
  }

  function offer(serials, field) {
    say("choose");
    part("found").replaceChildren(
      ...serials.map((serial) => {
        const button = document.createElement("button");
        button.type = "button";
        button.className = "button";
        button.textContent = serial;
        button.addEventListener("click", () => take(serial, field));
        return button;
      }),
    );
  }

  // One code in the picture is it; of several the one that looks like a logger's serial, else the person chooses.
  function choose(codes, field) {
    const serials = [...new Set(codes.map((code) => serialIn(code.rawValue)))].filter((text) => SERIAL.test(text));
    const loggers = serials.filter((text) => LOGGER.test(text));
    if (serials.length === 1) return take(serials[0], field);
    if (loggers.length === 1) return take(loggers[0], field);
    if (serials.length) offer(serials, field);
  }

  async function look(detector, field) {
    if (!stream) return;
    try {
      const codes = await detector.detect(part("video"));
      if (stream) choose(codes, field);
    } catch {
      // A picture that is not there yet: the next one will be.
    }
    if (stream && !part("found").children.length) setTimeout(look, EVERY_MS, detector, field);
  }

  async function scan(button) {
    const field = document.getElementById(button.dataset.scan);
    part("found").replaceChildren();
    say("look");
    const scanner = document.querySelector("[data-scanner]");
    scanner.showModal();
    try {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" }, audio: false });
      if (!scanner.open) return end();
      part("video").srcObject = stream;
      await part("video").play();
      look(new BarcodeDetector(), field);
    } catch {
      say("refused");
    }
  }

  function begin() {
    for (const button of document.querySelectorAll("[data-scan]")) button.hidden = !canScan;
    for (const button of document.querySelectorAll("[data-print]")) button.hidden = false;
    const scanner = document.querySelector("[data-scanner]");
    if (scanner) scanner.addEventListener("close", end);
  }
  document.addEventListener("deye:shown", begin);
  begin();

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if ("scan" in button.dataset) scan(button);
    if ("scanEnd" in button.dataset) end();
    if ("print" in button.dataset) window.print();
  });

  // Whoever cannot see the list hears when one more is live, and nothing else.
  document.addEventListener("htmx:beforeSwap", (swap) => {
    const title = swap.target.matches("[data-site-devices]") && swap.target.querySelector("[data-live]");
    if (title) swap.target.dataset.was = title.dataset.live;
  });
  document.addEventListener("htmx:afterSwap", (swap) => {
    const title = swap.target.matches("[data-site-devices]") && swap.target.querySelector("[data-live]");
    if (!title || swap.target.dataset.was === title.dataset.live) return;
    document.querySelector("[data-devices-said]").textContent = title.textContent;
  });
  window.addEventListener("pagehide", end);
})();
