const express = require("express");
const app = express();
app.get("/", (request, response) => response.send("notes of " + process.env.NODE_ENV));
app.listen(process.env.PORT || 8080, "127.0.0.1");
// The first process of a container gets no signal that it does not ask for.
process.on("SIGTERM", () => process.exit(0));
