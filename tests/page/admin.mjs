// An operator, and somebody who is none: node admin.mjs HOST:PORT FOLDER
//
// There is an operator `rooty`, and a user `alice` who is online by way of the chat page.

import assert from 'node:assert/strict';

import { chromium } from 'playwright-core';

import { launched, walk } from '../browser.mjs';
import { Person } from './person.mjs';

const [host, folder] = process.argv.slice(2);
const browser = await launched(chromium);
const alice = new Person(browser, host, 'alice', '<b>Alice</b>', folder);
const rooty = new Person(browser, host, 'rooty', 'Root', folder);

const steps = {
  async 'only for operators'() {
    await alice.arrive();
    await alice.register();
    await alice.home();
    await rooty.arrive();
    await rooty.page.goto(`http://${host}/admin`);
    assert.equal(new URL(rooty.page.url()).pathname, '/admin/');
    await rooty.accessible('the door');
    const { login, password } = rooty;
    Object.assign(rooty, { login: 'alice', password: 'alice-password' });
    await rooty.enter();
    await rooty.page.getByText('This account is no operator.').waitFor();
    Object.assign(rooty, { login, password });
    await rooty.enter('wrong');
    await rooty.page.getByText('The login or the password is wrong.').waitFor();
    await rooty.enter();
    await rooty.page.getByRole('heading', { name: 'Now' }).waitFor();
  },

  async 'figures'() {
    const plot = rooty.page.getByRole('img', { name: /^Users online: now 1/ });
    await plot.waitFor();
    await plot.locator('path:not(.area)[d*="L"]').waitFor({ state: 'attached' }); // a second point
    await rooty.accessible('figures');
    assert.deepEqual(rooty.complaints, []);
  },

  async 'users'() {
    await rooty.page.getByRole('link', { name: 'Users' }).click();
    await rooty.page.getByRole('row', { name: /<b>Alice<\/b>.*basic:alice.*active.*online/ }).waitFor();
    await rooty.accessible('users');
    await rooty.page.getByRole('searchbox').fill('nobody-here');
    await rooty.button('Find').click();
    await rooty.page.getByText('Nobody is found by that.').waitFor();
    await rooty.page.getByRole('searchbox').fill('alice');
    await rooty.button('Find').click();
    await rooty.page.getByRole('link', { name: '<b>Alice</b>' }).click();
    await rooty.page.getByText('on 1 connection(s)').waitFor();
    await rooty.page.getByRole('row', { name: /tinode-py-page/ }).waitFor();
    await rooty.accessible('a user');
  },

  async 'throw somebody out'() {
    await rooty.button('End all sessions').click();
    await rooty.page.getByLabel('Why?').fill('house cleaning');
    await rooty.button('OK').click();
    await alice.page.getByText('This session was ended from elsewhere.').waitFor();
    await rooty.page.getByText(/^no, /).waitFor();
    await alice.button('Go on here').click();
    await alice.page.getByText('You are not logged in any more').waitFor();
  },

  async 'the audit tells of it'() {
    await rooty.page.getByRole('link', { name: 'Audit' }).click();
    const deed = rooty.page.getByRole('row', { name: /this page.*user\.offline.*house cleaning/ });
    await deed.waitFor();
    await rooty.accessible('audit');
    await deed.getByRole('link').last().click(); // whom it was done to
    await rooty.button('Suspend').waitFor();
  },

  async 'suspend and let in again'() {
    await rooty.button('Suspend').click();
    await rooty.page.getByRole('dialog').getByRole('button', { name: 'Suspend' }).click();
    await rooty.page.getByText('suspended').waitFor();
    await alice.enter();
    await alice.page.getByText('This account is suspended.').waitFor();
    await rooty.button('Let in again').click();
    await rooty.page.getByRole('dialog').getByRole('button', { name: 'Let in again' }).click();
    await rooty.page.getByText('active').waitFor();
    await alice.enter();
    await alice.home();
  },

  async 'topics'() {
    await alice.button('New group').click();
    await alice.page.getByLabel('Name of the group').fill('Tea party');
    await alice.button('OK').click();
    await alice.say('Come in');
    await rooty.page.getByRole('link', { name: 'Topics' }).click();
    await rooty.page.getByRole('row', { name: /Tea party group 1 1 1/ }).waitFor();
    await rooty.accessible('topics');
    await rooty.page.getByRole('link', { name: 'Tea party' }).click();
    await rooty.page.getByRole('row', { name: /JRWPASDO/ }).waitFor();
    await rooty.accessible('a topic');
    await rooty.photograph('06 a topic');
    await rooty.button('Delete').click();
    await rooty.page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
    await alice.chat('Tea party').waitFor({ state: 'detached' });
    await rooty.page.getByRole('heading', { name: 'Topics' }).waitFor();
    await rooty.page.getByRole('row', { name: /Tea party/ }).waitFor({ state: 'detached' });
  },

  async 'log out'() {
    const token = await rooty.page.evaluate(() => sessionStorage.getItem('admin.token'));
    await rooty.page.reload();
    await rooty.page.getByRole('heading', { name: 'Topics' }).waitFor();
    await rooty.button('Log out').click();
    await rooty.page.getByLabel('Password').waitFor();
    assert.equal(await rooty.page.evaluate(() => sessionStorage.length), 0);
    await rooty.page.waitForFunction(async token => {
      const answer = await fetch('/v1/server', { headers: { Authorization: `Bearer ${token}` } });
      return answer.status === 401;
    }, token);
    for (const person of [alice, rooty]) {
      assert.deepEqual([...person.complaints, ...person.strangers], [], person.login);
    }
  },
};

await walk(steps, [alice, rooty]);
await browser.close();
