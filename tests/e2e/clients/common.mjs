// common.mjs - what the programs in node share: where the packages are, how to wait, what to say.
//
// Arguments: FIRST SECOND TLS CA TOKEN, the first three are ports on 127.0.0.1. The program says
// `restart`, and whoever runs it restarts the first daemon; `kill`, and the first daemon is killed;
// `done` at the end. It fails with the exit status.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";

export const load = createRequire(`${process.env.MUSTER_TEST_CLIENTS}/package.json`);

const [first, second, tls] = process.argv.slice(2, 5).map(Number);
export const ports = { first, second, tls };
export const ca = readFileSync(process.argv[5]);
export const token = process.argv[6];

export const say = (word) => console.log(word);

export function expect(condition, what, got) {
  if (!condition) throw new Error(`${what}: ${JSON.stringify(got)}`);
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Until it is true; two minutes, for sanitizers on a slow machine.
export async function until(what, condition) {
  const deadline = Date.now() + 120000;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what}`);
    await pause(20);
  }
}

// Again and again, for as long as it fails.
export async function insist(what, attempt) {
  let result;
  await until(what, async () => {
    try {
      result = await attempt();
      return true;
    } catch {
      return false;
    }
  });
  return result;
}

export const heard = (messages, connection) =>
  until(`the event of ${connection}`, () =>
    messages.some(
      (text) =>
        JSON.parse(text).event === "member.joined" &&
        JSON.parse(text).member.connection === connection,
    ),
  );

export function run(main) {
  main()
    .then(() => {
      say("done");
      process.exit(0);
    })
    .catch((error) => {
      console.error(error);
      process.exit(1);
    });
}
