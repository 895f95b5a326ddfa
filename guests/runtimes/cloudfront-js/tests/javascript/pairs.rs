//! Headers, cookies and query strings are ordinary objects for all that JavaScript can tell, though they are made as they are asked.

use crate::harness::{Event, call, get, load};

/// Does the same things to the object that arrived and to a plain copy of it, and compares after each what can be seen of them.
const SAME: &str = r#"
const SYMBOL = Symbol('s');
const NAMES = ['host', 'accept', 'x-a', 'x-b', 'x-c', '7', '11', 'new', 'other', '__proto__', 'toString', SYMBOL];

function copy(object) {
  const plain = {};
  for (const name of Object.keys(object)) {
    const entry = { value: object[name].value };
    if (object[name].multiValue) entry.multiValue = object[name].multiValue.map((one) => ({ value: one.value }));
    plain[name] = entry;
  }
  return plain;
}

function generator(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
}

function seen(object) {
  const parts = Reflect.ownKeys(object).map((name) => {
    const { value, get, set, ...flags } = Object.getOwnPropertyDescriptor(object, name);
    return [String(name), JSON.stringify(value), String(get && get.id), String(set && set.id), JSON.stringify(flags)].join(' ');
  });
  const inherited = [];
  for (const name in Object.create(object)) inherited.push(name);
  return parts.concat(
    inherited.join(), JSON.stringify(object), JSON.stringify({ ...object }), Object.keys(object).join(),
    [Object.isExtensible(object), Object.isSealed(object), Object.isFrozen(object)].join(),
    NAMES.map((name) => [name in object, Object.hasOwn(object, name)].join()).join(' '),
    [Object.prototype.toString.call(object), object instanceof Object, typeof object].join(),
  ).join('\n');
}

const accessor = (id) => Object.assign(function () { return { value: 'read' + id } }, { id });

function descriptor(random) {
  const wanted = {};
  const isAccessor = random(4) === 0;
  for (const flag of ['configurable', 'enumerable'].concat(isAccessor ? [] : ['writable'])) {
    if (random(2)) wanted[flag] = random(3) > 0;
  }
  if (isAccessor) {
    if (random(3)) wanted.get = random(4) ? accessor(random(2)) : undefined;
    if (random(2)) wanted.set = Object.assign(function () {}, { id: random(2) });
  } else if (random(3)) {
    wanted.value = { value: 'v' + random(3) };
  }
  return wanted;
}

const shared = [accessor(0), accessor(1), { value: 'v0' }, { value: 'v1' }];

function act(object, random) {
  const name = NAMES[random(NAMES.length)];
  const seed = random(1 << 30);
  const inner = generator(seed);
  switch (random(13)) {
    case 0: case 1: object[name] = { value: 'w' + inner(3) }; return 'set';
    case 2: case 3: return 'delete ' + delete object[name];
    case 4: return 'get ' + JSON.stringify(object[name]);
    case 5: {
      const wanted = descriptor(inner);
      // The one difference: an object that takes no more names takes no accessors either.
      if (!Object.isExtensible(object) && ('get' in wanted || 'set' in wanted)) return 'left out';
      // The same values are given to both.
      if ('value' in wanted) wanted.value = shared[2 + inner(2)];
      if (wanted.get) wanted.get = shared[wanted.get.id];
      if (wanted.set) wanted.set = shared[wanted.set.id];
      return 'define ' + Reflect.defineProperty(object, name, wanted);
    }
    case 6: Object.defineProperty(object, name, inner(2) || !Object.isExtensible(object) ? { value: shared[2] } : { get: shared[inner(2)], configurable: true }); return 'defined';
    case 7: return 'in ' + (name in object);
    case 8: return 'reflect ' + Reflect.set(object, name, shared[2 + inner(2)]);
    case 9: return 'other ' + Reflect.set(object, name, shared[2], {});
    case 10: {
      const child = Object.create(object);
      child[name] = { value: 'child' };
      return 'child ' + Object.hasOwn(child, name);
    }
    case 11: Object.assign(object, { new: shared[2], 'x-a': shared[3] }); return 'assigned';
    default: {
      if (inner(12)) return 'nothing';
      [Object.preventExtensions, Object.seal, Object.freeze][inner(3)](object);
      return 'closed';
    }
  }
}

function attempt(object, random) {
  try {
    return act(object, random);
  } catch (error) {
    return error.name;
  }
}

function look(object) {
  try {
    return seen(object);
  } catch (error) {
    return String(error);
  }
}

function handler(event) {
  const seed = Number(event.request.method === 'GET' ? event.request.uri.slice(1) : 0);
  for (const what of ['headers', 'cookies', 'querystring']) {
    const ours = event.request[what];
    const first = generator(seed), second = generator(seed);
    // Half of the time, nobody has asked for anything before.
    const plain = copy(seed % 2 ? ours : JSON.parse(JSON.stringify(ours)));
    for (let step = 0; step < 40; step++) {
      const [a, b] = [attempt(ours, first), attempt(plain, second)];
      const [x, y] = seed % 3 && step < 30 ? ['', ''] : [look(ours), look(plain)];
      if (a !== b || x !== y) {
        const lines = y.split('\n');
        const differs = x.split('\n').map((line, index) => line === lines[index] ? '' : `${line}\nand ${lines[index]}`);
        throw new Error(`${what}, step ${step}: ${a} and ${b}${differs.filter((text) => text).join('\n')}`);
      }
    }
  }
  return { statusCode: 200 };
}
"#;

fn arrived(uri: &'static str, many: usize) -> Event {
    let mut event =
        get().uri(uri).header("x-a", "1").header("x-b", "2").header("x-a", "3").header("11", "eleven").header("7", "seven");
    event = event.header("cookie", "a=1; x-b=2; 11=3; a=4; 7=5").query("x-b=1&7=2&x-a&7=3&11=4&x-b=5");
    for _ in 0..many {
        let name: &'static str = format!("x-many-{}", event.headers.len()).leak();
        event = event.header(name, "m");
    }
    event
}

#[test]
fn an_object_that_is_made_as_it_is_asked_is_like_any_other() {
    for many in [0, 40] {
        for seed in 0..160 {
            // An instance is thrown away after a call.
            let function = load("cloudfront-js-2.0", SAME).unwrap();
            let uri: &'static str = format!("/{seed}").leak();
            assert_eq!(call(&function, &arrived(uri, many)), "respond 200", "seed {seed}, {many} more");
        }
    }
}
