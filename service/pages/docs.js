// The page at /docs. All addresses are relative to it, so it works below a proxy's prefix, whatever the host is called.
// A key that is typed in is forgotten with the page, and no other host is asked to check the document.

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  layout: "BaseLayout",
  showExtensions: true,
  showCommonExtensions: true,
  tryItOutEnabled: true,
  filter: true,
  displayRequestDuration: true,
  persistAuthorization: false,
  validatorUrl: null,
});
