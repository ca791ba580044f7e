// A person: the SDK as an application uses it, and what was noticed on the way.
//
// The SDK expects a browser; here Node gets its websocket, requests and database from npm.

import { IDBFactory } from 'fake-indexeddb';
import sdk from 'tinode-sdk';
import { WebSocket } from 'ws';
import xhr2 from 'xhr2';

export const { Drafty, Tinode } = sdk;

const API_KEY = 'AQEAAAABAAD_rAp4DJh05a1HAwFT3A6K';
const PAGE = 24; // messages, as the SDK has it
const PATIENCE = 60_000; // ms; the SDK waits up to half of it before it comes back

Tinode.setNetworkProviders(WebSocket, xhr2.XMLHttpRequest);
Tinode.setDatabaseProvider(new IDBFactory());

// Resolves with what `look` finds, once that is something.
export async function until(what, look) {
  const end = Date.now() + PATIENCE;
  while (Date.now() < end) {
    const found = look();
    if (found) {
      return found;
    }
    await new Promise(resolve => setTimeout(resolve, 5));
  }
  throw new Error(`waited in vain: ${what}`);
}

export class Person {
  constructor(login, host, transport = 'ws') {
    this.login = login;
    this.notes = []; // {info} that reached a topic this person has open
    this.tinode = new Tinode({
      appName: 'sdk-test/1.0',
      host,
      apiKey: API_KEY,
      transport,
      secure: false,
      persist: false,
    });
  }

  get id() {
    return this.tinode.getCurrentUserID();
  }

  get me() {
    return this.tinode.getMeTopic();
  }

  // What `me` knows of another person or a group.
  contact(name) {
    return this.tinode.isTopicCached(name) ? this.tinode.getTopic(name) : null;
  }

  async register(name) {
    await this.tinode.connect();
    return this.tinode.createAccountBasic(this.login, `${this.login}-password`, {
      public: { fn: name },
      tags: [`sdk${this.login}`],
    });
  }

  async enter() {
    await this.tinode.connect();
    return this.tinode.loginBasic(this.login, `${this.login}-password`);
  }

  // From now on the SDK comes back by itself, as the web client does, with the token.
  comeBackAlways(topics) {
    this.returns = 0;
    // The SDK leaves it to its user what a try means that fails: here, that there is another.
    this.tinode.onAutoreconnectIteration = (wait, attempt) => attempt?.catch(() => {});
    this.tinode.onConnect = async () => {
      await this.tinode.loginToken(this.tinode.getAuthToken().token);
      await this.openMe();
      for (const topic of topics) {
        await this.open(topic);
      }
      this.returns += 1;
    };
  }

  openMe() {
    const query = this.me.startMetaQuery().withLaterSub().withDesc().withTags().withCred();
    return this.me.subscribe(query.build());
  }

  async open(name, set) {
    const topic = this.tinode.getTopic(name);
    topic.onInfo = info => this.notes.push(info);
    const query = topic.startMetaQuery().withLaterDesc().withLaterSub().withLaterData(PAGE);
    await topic.subscribe(query.withLaterDel().build(), set);
    return topic;
  }

  // Who has this tag.
  async find(tag) {
    const fnd = this.tinode.getFndTopic();
    await fnd.subscribe();
    await fnd.setMeta({ desc: { public: tag } });
    await fnd.getMeta(fnd.startMetaQuery().withSub().build());
    const found = [];
    fnd.contacts(contact => found.push(contact));
    return found;
  }

  // Publish as the web client does; the number of the message, null if it was not acknowledged.
  async say(name, content) {
    const topic = this.tinode.getTopic(name);
    const ctrl = await topic.publishDraft(topic.createMessage(content)).catch(() => null);
    return ctrl ? ctrl.params.seq : null;
  }

  async hears(name, seq) {
    const topic = this.tinode.getTopic(name);
    return until(`${this.login} hears ${name} ${seq}`, () => topic.findMessage(seq));
  }

  // All that the server has, page by page backwards; the sizes of the pages.
  async readAll(name) {
    const topic = this.tinode.getTopic(name);
    const sizes = [];
    topic.onAllMessagesReceived = count => sizes.push(count);
    await this.open(name);
    await until('the first page', () => sizes.length === 1);
    while (topic.minMsgSeq() > 1 && sizes.at(-1) > 0) {
      const pages = sizes.length;
      await topic.getMessagesPage(PAGE, null, 0, topic.minMsgSeq(), false);
      await until('another page', () => sizes.length > pages);
    }
    return sizes;
  }

  // What is here of a topic, as [number, author, content], in order.
  read(name) {
    const messages = [];
    this.tinode.getTopic(name).messages(msg => messages.push([msg.seq, msg.from, msg.content]));
    return messages;
  }

  // The SDK says of a message that it has come a tenth of a second later, and throws where nobody
  // can catch it if the connection is closed by then.
  async quiet() {
    const { tinode } = this;
    const isQuiet = ({ topic }) => !(tinode.isTopicCached(topic) && tinode.getTopic(topic)._recvNotificationTimer);
    await until('all is said of what has come', () => {
      const contacts = [];
      tinode.getMeTopic().contacts(contact => contacts.push(contact));
      return contacts.every(isQuiet);
    });
  }

  async close() {
    await this.quiet();
    this.tinode.onConnect = undefined;
    this.tinode.disconnect();
  }
}
