// Steps of a scenario, one after the other, each told as a line of JSON; the first that fails
// ends it.

export function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

export async function play(steps) {
  for (const [step, work] of Object.entries(steps)) {
    try {
      await work();
      tell({ step });
    } catch (error) {
      tell({ step, failed: String(error?.stack ?? error) });
      process.exit(1);
    }
  }
  process.exit(0);
}
