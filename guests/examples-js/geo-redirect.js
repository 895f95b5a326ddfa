// The start page goes to the edition of the visitor's country.
const editions = new Map([['DE', 'de'], ['AT', 'de'], ['CH', 'de'], ['FR', 'fr'], ['BE', 'fr'], ['JP', 'ja']]);

function handler(event) {
  const request = event.request;
  const country = request.headers['cloudfront-viewer-country'];
  const edition = country && editions.get(country.value);
  if (request.uri !== '/' || !edition) return request;
  return {
    statusCode: 302,
    statusDescription: 'Found',
    headers: {
      location: { value: `/${edition}/` },
      'cache-control': { value: 'private, max-age=0' },
      vary: { value: 'cloudfront-viewer-country' },
    },
  };
}
