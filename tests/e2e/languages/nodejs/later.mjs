export const ANSWER = 'later';
