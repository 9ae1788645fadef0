// Draws the API's description with Swagger UI, which asks nobody but us: no validator, no other server.
"use strict";

(() => {
  const host = document.getElementById("docs");
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const dress = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
  dark.addEventListener("change", dress);
  dress();
  SwaggerUIBundle({ url: host.dataset.description, domNode: host, validatorUrl: null, deepLinking: true });
})();
