// import cf from 'cloudfront'
(function (native, load) {
  'use strict';
  const own = (object, name) => Object.prototype.hasOwnProperty.call(object, name) ? object[name] : undefined;

  function object(value, what) {
    if (typeof value !== 'object' || value === null) throw new TypeError(`${what} must be an object`);
    return value;
  }
  function text(value, what) {
    if (typeof value !== 'string') throw new TypeError(`${what} must be a string`);
    return value;
  }
  function whole(value, low, high, what) {
    if (!Number.isInteger(value) || value < low || value > high) throw new RangeError(`${what} must be a whole number from ${low} to ${high}`);
    return value;
  }

  function kvs() {
    const found = key => {
      const bytes = native.value(text(key, 'key'));
      if (bytes === undefined) throw new Error(`KeyNotFound: the key-value store has no key "${key}"`);
      return bytes;
    };
    return {
      async get(key, options) {
        const format = options === undefined ? 'string' : own(object(options, 'options'), 'format') ?? 'string';
        const bytes = found(key);
        switch (format) {
          case 'string': return native.encode(bytes, 'utf8');
          case 'json': return JSON.parse(native.encode(bytes, 'utf8'));
          case 'bytes': return load('buffer').Buffer.from(bytes.buffer);
          default: throw new TypeError(`the format is "string", "json" or "bytes", not ${String(format)}`);
        }
      },
      async exists(key) { return native.value(text(key, 'key')) !== undefined },
      async count() { return native.keys() },
      async meta() { return { creationDateTime: null, lastUpdatedDateTime: null, keyCount: native.keys() } },
    };
  }

  // What is not given stays as it is configured.
  function origin(given, what) {
    for (const name of ['sni', 'allowedCertificateNames']) {
      if (own(given, name) !== undefined) throw new Error(`${what}.${name} is not supported`);
    }
    const access = own(given, 'originAccessControlConfig');
    if (access !== undefined && own(object(access, `${what}.originAccessControlConfig`), 'enabled') !== false) {
      throw new Error(`${what}.originAccessControlConfig is not supported`);
    }
    const domain = own(given, 'domainName'), custom = own(given, 'customOriginConfig');
    if (domain !== undefined) {
      let port = 443, tls = true;
      if (custom !== undefined) {
        const protocol = own(object(custom, `${what}.customOriginConfig`), 'protocol') ?? 'https';
        if (protocol !== 'http' && protocol !== 'https') throw new TypeError(`${what}.customOriginConfig.protocol must be "http" or "https"`);
        tls = protocol === 'https';
        port = whole(own(custom, 'port') ?? (tls ? 443 : 80), 1, 65535, `${what}.customOriginConfig.port`);
      }
      native.address(text(domain, `${what}.domainName`), port, tls);
    } else if (custom !== undefined) {
      throw new Error(`${what}.customOriginConfig needs a domainName beside it`);
    }
    const path = own(given, 'originPath');
    if (path !== undefined) native.path(text(path, `${what}.originPath`));
    const host = own(given, 'hostHeader');
    if (host !== undefined) native.host(text(host, `${what}.hostHeader`));
    const headers = own(given, 'customHeaders');
    if (headers !== undefined) {
      native.clear();
      for (const name of Object.keys(object(headers, `${what}.customHeaders`))) {
        native.header(name, text(headers[name], `${what}.customHeaders["${name}"]`));
      }
    }
    const timeouts = own(given, 'timeouts'), attempts = own(given, 'connectionAttempts');
    if (timeouts !== undefined || attempts !== undefined) {
      const seconds = (name, high) => {
        const value = timeouts === undefined ? undefined : own(object(timeouts, `${what}.timeouts`), name);
        return value === undefined ? 0 : whole(value, 1, high, `${what}.timeouts.${name}`) * 1000;
      };
      native.timeouts(seconds('connectionTimeout', 10), seconds('readTimeout', 120),
        attempts === undefined ? 0 : whole(attempts, 1, 3, `${what}.connectionAttempts`));
    }
  }

  return {
    kvs,
    get edgeLocation() { return native.location() },
    updateRequestOrigin(given) {
      native.choosing('updateRequestOrigin');
      origin(object(given, 'the origin'), 'origin');
    },
    selectRequestOriginById(id, given) {
      native.choosing('selectRequestOriginById');
      native.select(text(id, 'the origin\'s id'));
      if (given !== undefined) origin(object(given, 'the origin'), 'origin');
    },
    createRequestOriginGroup(given) {
      native.choosing('createRequestOriginGroup');
      const members = own(object(given, 'the origin group'), 'originIds');
      if (!Array.isArray(members) || members.length !== 2) throw new TypeError('originIds must be an array of two origins');
      const [primary, secondary] = members.map((member, i) =>
        typeof member === 'string' ? member : text(own(object(member, `originIds[${i}]`), 'originId'), `originIds[${i}].originId`));
      const criteria = own(object(own(given, 'failoverCriteria'), 'failoverCriteria'), 'statusCodes');
      if (!Array.isArray(criteria) || criteria.length === 0 || criteria.length > 16) throw new TypeError('failoverCriteria.statusCodes must be an array of 1 to 16 statuses');
      const selection = own(given, 'selectionCriteria');
      if (selection !== undefined && selection !== 'default') throw new Error(`selectionCriteria "${String(selection)}" is not supported`);
      native.group(primary, secondary, criteria.map((status, i) => whole(status, 400, 599, `failoverCriteria.statusCodes[${i}]`)));
    },
  };
})
