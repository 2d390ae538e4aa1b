#!/usr/bin/env node
// Answers like the native Solidity compiler for the calls that forge makes: `--version` and
// `--standard-json`. The output is written synchronously: an early exit truncates a pipe at 64 KiB.
"use strict";
const fs = require("fs");

// The compiler's own loader adds handlers that turn a closed pipe into a stack trace.
const solc = require("solc");
process.removeAllListeners("uncaughtException");
process.removeAllListeners("unhandledRejection");

function write(text) {
  const bytes = Buffer.from(text, "utf8");
  let written = 0;
  while (written < bytes.length) {
    try {
      written += fs.writeSync(1, bytes, written);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
    }
  }
}

const args = process.argv.slice(2);
if (args.includes("--version")) {
  const version = solc.version().replace(/\.Emscripten\.clang$/, ".Linux.g++");
  write(`solc, the solidity compiler commandline interface\nVersion: ${version}\n`);
} else if (args.includes("--standard-json")) {
  write(solc.compile(fs.readFileSync(0, "utf8")));
} else {
  process.stderr.write(`solc.js: unsupported arguments: ${args.join(" ")}\n`);
  process.exitCode = 64;
}
