// What the page says in words: errors, times.

import { Lost, Refused } from './protocol.js';

const ALWAYS = {
  400: 'The server did not understand that.',
  401: 'You are not logged in any more. Reload the page.',
  403: 'You may not do that.',
  404: 'That is not there (any more).',
  406: 'That code is not right.',
  409: 'That is taken already.',
  413: 'That is too long for one message.',
  422: 'The rules of this server do not allow that.',
  423: 'You are logged in elsewhere, and this server allows one session at a time.',
  486: 'That conversation is busy.',
  500: 'The server has a problem. Try again later.',
  501: 'This server cannot do that.',
  502: 'A part of the server cannot be reached. Try again in a moment.',
  503: 'The server is busy. Try again in a moment.',
  505: 'The server is too new for this page. Reload it.',
};

const DOING = {
  login: {
    401: 'The login or the password is wrong.',
    403: 'This account is suspended.',
    404: 'This account was deleted.',
  },
  register: {
    403: 'New accounts are not made here. Ask who runs the server.',
    406: 'This invitation is not valid.',
    409: 'This login is taken.',
    422: 'The login or the password is too short, or has characters that a login may not have.',
  },
  confirm: {
    422: 'Too many wrong codes. Log in again to get a new one.',
  },
  send: {
    403: 'You may not write here.',
    404: 'This conversation is gone.',
    409: 'The message could not be sent.',
  },
  enter: {
    403: 'You may not enter this conversation.',
    404: 'There is no such conversation.',
  },
  edit: {
    403: 'This message cannot be edited (any more).',
  },
  delete: {
    403: 'This message cannot be deleted (any more).',
  },
  invite: {
    403: 'You may not add somebody here, or he does not want it.',
    404: 'There is no such person.',
    422: 'The group is full.',
  },
};

// An error as a sentence. `doing` is what was tried.
export function inWords(error, doing = '') {
  if (error instanceof Lost) {
    return 'The connection was lost. Try again.';
  }
  if (!(error instanceof Refused)) {
    return error?.message || 'Something went wrong.';
  }
  const creds = error.params.creds ?? [];
  if (creds.includes('invite')) {
    return 'This server is by invitation. Enter the code that you were given.';
  }
  if (creds.length) {
    return `The server needs more to make an account: ${creds.join(', ')}.`;
  }
  return DOING[doing]?.[error.code] ?? ALWAYS[error.code] ?? `The server says: ${error.text} (${error.code}).`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long' });
const DAY_AND_YEAR = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'long', year: 'numeric' });
const SHORT_DAY = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });

export function clock(ts) {
  return CLOCK.format(new Date(ts));
}

export function day(ts) {
  const date = new Date(ts);
  const age = daysAgo(date);
  if (age < 2) {
    return age < 1 ? 'Today' : 'Yesterday';
  }
  return (age < 300 ? DAY : DAY_AND_YEAR).format(date);
}

// For a list: the time today, else the day.
export function brief(ts) {
  return daysAgo(new Date(ts)) < 1 ? clock(ts) : SHORT_DAY.format(new Date(ts));
}

export function lastSeen(seen) {
  return seen?.when ? `last seen ${daysAgo(new Date(seen.when)) < 1 ? 'at ' : 'on '}${brief(seen.when)}` : '';
}

function daysAgo(date) {
  const midnight = new Date();
  midnight.setHours(0, 0, 0, 0);
  return Math.ceil((midnight - date) / 86_400_000);
}
