#!/usr/bin/env node
// Gas of 24 rounds × 1,000 models on a real chain: sends the transactions of the Rust example
// `batch_calls` to a fresh anvil of its own and prints as JSON what one of each kind cost.
// per_settled_prediction is 24 commitments, one proposal and one acceptance over 24,000 predictions.
// Exit codes: 0 done, 1 a transaction failed or nothing could be started.
import { spawn, spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const PREDICTIONS = 24_000;
const port = 20_000 + Math.floor(Math.random() * 20_000);
let id = 0;

async function rpc(method, params) {
  const body = JSON.stringify({ jsonrpc: "2.0", id: ++id, method, params });
  const headers = { "content-type": "application/json" };
  const answer = await (await fetch(`http://127.0.0.1:${port}`, { method: "POST", headers, body })).json();
  if (answer.error) throw new Error(`${method}: ${answer.error.message} ${answer.error.data ?? ""}`);
  return answer.result;
}

// Asks until there is an answer, every 25 ms for at most 20 seconds.
async function until(what, ask) {
  for (let tries = 0; tries < 800; ++tries) {
    const answer = await ask();
    if (answer) return answer;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`${what} did not come in 20 seconds`);
}

async function send({ label, from, to, data, time }) {
  await rpc("evm_setNextBlockTimestamp", [time]);
  const hash = await rpc("eth_sendTransaction", [{ from, to: to ?? undefined, data, gas: "0xf00000" }]);
  const receipt = await until("a receipt", () => rpc("eth_getTransactionReceipt", [hash]));
  if (receipt.status !== "0x1") throw new Error(`${label} failed in block ${Number(receipt.blockNumber)}`);
  return { label, gas: Number(receipt.gasUsed), logs: receipt.logs.length };
}

async function measure(calls) {
  await until("anvil", () => rpc("eth_chainId", []).catch(() => undefined));
  const receipts = [];
  for (const call of calls) receipts.push(await send(call));
  const costs = new Map();
  for (const { label, gas } of receipts) costs.set(label, [...(costs.get(label) ?? []), gas]);
  const sum = (label) => costs.get(label).reduce((total, gas) => total + gas, 0);
  const each = (label) => Math.round(sum(label) / costs.get(label).length);
  const settled = sum("commit") + sum("propose") + sum("accept");
  return {
    commit_tick: each("commit"),
    propose: sum("propose"),
    accept: sum("accept"),
    withdraw: sum("withdraw"),
    withdraw_new_holder: sum("withdraw, new holder"),
    challenge: sum("challenge"),
    per_settled_prediction: Number((settled / PREDICTIONS).toFixed(1)),
    register: each("register model"),
    deposit: each("deposit"),
    request: each("request"),
    fund: sum("fund"),
    deploy_vault: sum("deploy vault"),
    deploy_fault_proof: sum("deploy fault proof"),
  };
}

const built = spawnSync("cargo", ["run", "--quiet", "-p", "contracts", "--example", "batch_calls"], {
  cwd: here,
  encoding: "utf8",
  maxBuffer: 1 << 28,
  stdio: ["ignore", "pipe", "inherit"],
});
const anvil = spawn(
  join(here, "node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil"),
  ["--port", String(port), "--silent", "--timestamp", "1709251200"],
  { stdio: "ignore" },
);
try {
  console.log(JSON.stringify(await measure(JSON.parse(built.stdout)), null, 1));
} catch (error) {
  console.error(`gas.mjs: ${error.message}`);
  process.exitCode = 1;
} finally {
  anvil.kill("SIGTERM");
}
