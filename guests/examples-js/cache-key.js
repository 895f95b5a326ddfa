// One form for what means the same: parameters sorted and without those that only count visits, and no case in paths.
const ignored = /^(utm_.*|gclid|fbclid|msclkid)$/;

function handler(event) {
  const request = event.request;
  const pairs = [];
  for (const name of Object.keys(request.querystring)) {
    if (ignored.test(name)) continue;
    const { value, multiValue } = request.querystring[name];
    for (const each of multiValue ?? [{ value }]) pairs.push(`${name}=${each.value}`);
  }
  request.querystring = pairs.sort().join('&');
  request.uri = request.uri.toLowerCase();
  const encoding = request.headers['accept-encoding'];
  if (encoding) encoding.value = encoding.value.includes('br') ? 'br' : 'gzip';
  return request;
}
