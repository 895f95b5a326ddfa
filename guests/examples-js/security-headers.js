// The headers that browsers protect a site by. Runs in dialect 1.0 as well.
var policy = {
  'strict-transport-security': 'max-age=63072000; includeSubDomains; preload',
  'content-security-policy': "default-src 'self'; object-src 'none'; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'referrer-policy': 'strict-origin-when-cross-origin',
};

function handler(event) {
  var headers = event.response.headers;
  for (var name in policy) {
    headers[name] = { value: policy[name] };
  }
  delete headers['x-powered-by'];
  return event.response;
}
