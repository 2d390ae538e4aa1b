#!/usr/bin/env node
// Compiles the contracts with the pinned forge and compiler and writes abi/<Contract>.json (ABI and
// creation bytecode), which the Rust bindings include. `--check` writes nothing: it compares, and
// fails with the names of the files that are not what the sources compile to.
// Exit codes: 0 done or equal, 1 could not compile, 2 different, 64 wrong usage.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const CONTRACTS = ["AggregateVerifier", "FaultProof", "ForeToken", "RoundRegistry", "StakeVault", "Subscriptions"];
const here = dirname(fileURLToPath(import.meta.url));
const forge = join(here, "node_modules/@foundry-rs/forge-linux-amd64/bin/forge");

function compile() {
  if (!existsSync(forge)) {
    console.error(`build.mjs: ${forge} is missing; run \`npm ci\` in ${here}`);
    return false;
  }
  const run = spawnSync(forge, ["build", "--skip", "test"], { cwd: here, stdio: ["ignore", 2, 2] });
  if (run.error) console.error(`build.mjs: ${run.error.message}`);
  return run.status === 0;
}

function wanted(contract) {
  const artifact = JSON.parse(readFileSync(join(here, "out", `${contract}.sol`, `${contract}.json`), "utf8"));
  const abi = artifact.abi.map((entry) => `  ${JSON.stringify(entry)}`).join(",\n");
  return `{"abi": [\n${abi}\n],\n"bytecode": "${artifact.bytecode.object}"}\n`;
}

function check(files) {
  const stale = files.filter(([path, text]) => !existsSync(path) || readFileSync(path, "utf8") !== text);
  for (const [path] of stale) {
    console.error(`build.mjs: ${path} is not what src/ compiles to; run \`node contracts/build.mjs\` and commit it`);
  }
  const known = new Set(CONTRACTS.map((contract) => `${contract}.json`));
  const strays = readdirSync(join(here, "abi")).filter((name) => !known.has(name));
  for (const name of strays) console.error(`build.mjs: abi/${name} belongs to no contract`);
  return stale.length === 0 && strays.length === 0;
}

function main(args) {
  if (args.length > 1 || (args.length === 1 && args[0] !== "--check")) {
    console.error("usage: node build.mjs [--check]");
    return 64;
  }
  if (!compile()) return 1;
  const files = CONTRACTS.map((contract) => [join(here, "abi", `${contract}.json`), wanted(contract)]);
  if (args.length === 1) return check(files) ? 0 : 2;
  mkdirSync(join(here, "abi"), { recursive: true });
  for (const [path, text] of files) writeFileSync(path, text);
  return 0;
}

process.exitCode = main(process.argv.slice(2));
