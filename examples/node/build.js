// Makes `dist` of `src`, with what only development needs.
const fs = require("fs");
require("mkdirp").sync("dist");
fs.copyFileSync("src/server.js", "dist/server.js");
