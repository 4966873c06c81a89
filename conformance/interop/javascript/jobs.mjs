// Reads a JSON list of jobs from standard input, does each, prints the list of answers. Octets are base64.
import { readFileSync } from "node:fs";

export const octets = (text) => new Uint8Array(Buffer.from(text, "base64"));

const written = (value) =>
  Object.fromEntries(Object.entries(value).map(([name, each]) => [name, Buffer.from(each).toString("base64")]));

// `acts` maps the job's field `act` to what does it; an object in its answer has octets only.
export async function run(acts) {
  const answers = [];
  for (const job of JSON.parse(readFileSync(0, "utf8"))) {
    const answer = await acts[job.act](job);
    answers.push(answer !== null && typeof answer === "object" ? written(answer) : answer);
  }
  process.stdout.write(JSON.stringify(answers));
}
