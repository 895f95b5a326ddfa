// W1: folders get their index.html, names without an extension are folders, and `x-block: 1` is refused; responses get three headers.
function handler(event) {
  if (event.context.eventType === 'viewer-response') {
    const headers = event.response.headers;
    headers['strict-transport-security'] = { value: 'max-age=63072000' };
    headers['x-content-type-options'] = { value: 'nosniff' };
    headers['x-frame-options'] = { value: 'DENY' };
    return event.response;
  }
  const request = event.request;
  const block = request.headers['x-block'];
  if (block && block.value === '1') {
    return { statusCode: 403, statusDescription: 'Forbidden', body: 'blocked\n' };
  }
  const uri = request.uri;
  if (uri.endsWith('/')) {
    request.uri = uri + 'index.html';
  } else if (uri.indexOf('.', uri.lastIndexOf('/')) < 0) {
    request.uri = uri + '/index.html';
  }
  return request;
}
