// What scenarios in a browser share: the browser, and steps that are told line by line.

const QUIET = ['--disable-background-networking', '--disable-component-update', '--disable-gpu'];
const ALONE = ['--no-sandbox', '--no-first-run', '--disable-quic', '--disable-sync'];

// A headless browser; `chromium` is that of playwright, which is installed beside the scenario.
export function launched(chromium) {
  return chromium.launch({ executablePath: process.env.CHROMIUM, args: [...QUIET, ...ALONE] });
}

export function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

// Ask who runs us for something, and wait until it is done.
export async function please(what) {
  tell({ please: what });
  process.stdin.resume();
  await new Promise(resolve => process.stdin.once('data', resolve));
  process.stdin.pause();
}

// Take step after step, and end at the first that fails. `people` are photographed after each.
export async function walk(steps, people) {
  let number = 0;
  for (const [step, work] of Object.entries(steps)) {
    number += 1;
    const title = `${String(number).padStart(2, '0')} ${step}`;
    try {
      await work();
      await photograph(people, title);
      tell({ step });
    } catch (error) {
      await photograph(people, `${title} FAILED`);
      const complaints = people.map(person => person.complaints);
      tell({ step, failed: String(error?.stack ?? error), complaints });
      break;
    }
  }
}

async function photograph(people, title) {
  for (const person of people.filter(person => person.page)) {
    await person.photograph(title);
  }
}
