// Two versions of a site. Who has no group yet is given one, and keeps it by a cookie; used in both moments.
const COOKIE = 'group';

function groupOf(request) {
  const cookie = request.cookies[COOKIE];
  return cookie && (cookie.value === 'a' || cookie.value === 'b') ? cookie.value : undefined;
}

function handler(event) {
  const request = event.request;
  if (event.context.eventType === 'viewer-request') {
    const group = groupOf(request) ?? (Math.random() < 0.5 ? 'a' : 'b');
    request.headers['x-group'] = { value: group };
    if (group === 'b') request.uri = `/b${request.uri}`;
    return request;
  }
  const response = event.response;
  const chosen = request.headers['x-group'];
  if (groupOf(request) === undefined && chosen) {
    response.cookies[COOKIE] = { value: chosen.value, attributes: 'Path=/; Max-Age=2592000; SameSite=Lax' };
  }
  return response;
}
