"use strict";
// Shows how the vote stands. The votes come from the environment here, where the original asks a database.

const path = require("path");
const express = require("express");

const app = express();
const votes = { a: Number(process.env.VOTES_A || 0), b: Number(process.env.VOTES_B || 0) };

app.get("/votes", (_request, response) => response.json(votes));
app.get("/", (_request, response) => response.sendFile(path.resolve(__dirname, "views", "index.html")));

const server = app.listen(process.env.PORT || 4000, () => console.log("listening on", server.address().port));
process.on("SIGTERM", () => server.close(() => process.exit(0)));
