ANSWER = "later"
