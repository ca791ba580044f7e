// A server by invitation, that sends a code by mail: node doors.mjs HOST:PORT FOLDER
//
// The invitation is `tea`, the code 123456.

import { chromium } from 'playwright-core';

import { launched, walk } from '../browser.mjs';
import { Person } from './person.mjs';

const [host, folder] = process.argv.slice(2);
const browser = await launched(chromium);
const dora = new Person(browser, host, 'dora', 'Dora', folder);

const steps = {
  async 'no invitation'() {
    await dora.arrive();
    await dora.offer();
    await dora.page.getByLabel('E-mail').fill('dora@example.com');
    await dora.button('Make an account').click();
    await dora.page.getByText('This server is by invitation.').waitFor();
  },

  async 'a wrong invitation'() {
    await dora.page.getByLabel('Invitation').fill('coffee');
    await dora.button('Make an account').click();
    await dora.page.getByText('This invitation is not valid.').waitFor();
  },

  async 'a wrong code'() {
    await dora.page.getByLabel('Invitation').fill('tea');
    await dora.button('Make an account').click();
    await dora.page.getByLabel('Code').fill('999999');
    await dora.accessible('the code');
    await dora.button('Confirm').click();
    await dora.page.getByText('That code is not right.').waitFor();
  },

  async 'the right code'() {
    await dora.page.getByLabel('Code').fill('123456');
    await dora.button('Confirm').click();
    await dora.home();
    await dora.page.reload();
    await dora.home();
  },
};

await walk(steps, [dora]);
await browser.close();
