// W2: the same rules, and the answer is made here.
const BODY = 's'.repeat(1023) + '\n';

function handler(event) {
  const request = event.request;
  const block = request.headers['x-block'];
  if (block && block.value === '1') {
    return { statusCode: 403, statusDescription: 'Forbidden', body: 'blocked\n' };
  }
  let uri = request.uri;
  if (uri.endsWith('/')) {
    uri += 'index.html';
  } else if (uri.indexOf('.', uri.lastIndexOf('/')) < 0) {
    uri += '/index.html';
  }
  return {
    statusCode: 200,
    statusDescription: 'OK',
    headers: {
      'content-type': { value: 'text/plain' },
      'strict-transport-security': { value: 'max-age=63072000' },
      'x-content-type-options': { value: 'nosniff' },
      'x-frame-options': { value: 'DENY' },
      'x-uri': { value: uri },
    },
    body: BODY,
  };
}
