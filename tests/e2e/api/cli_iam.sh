#!/bin/sh
# What deployment scripts do with identities, with the real command line, in either version.
#
# Takes the endpoint and the credentials from AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and
# AWS_DEFAULT_REGION, and the command from AWS. Prints `ok NAME` after each step.
set -eu
AWS=${AWS:-aws}
export AWS_PAGER='' AWS_MAX_ATTEMPTS=1 AWS_EC2_METADATA_DISABLED=true

call() { "$AWS" --endpoint-url "$AWS_ENDPOINT_URL" --output "${OUTPUT:-text}" "$@"; }

# NAME EXPECTED GOT
ok() {
    case $3 in
        *"$2"*) echo "ok $1" ;;
        *) printf 'not ok %s: no\n    %s\nin\n    %s\n' "$1" "$2" "$3" >&2; exit 1 ;;
    esac
}

# NAME CODE MESSAGE COMMAND...
fails() {
    name=$1 code=$2 message=$3
    shift 3
    if got=$("$@" 2>&1); then echo "not ok $name: no failure, but $got" >&2; exit 1; fi
    ok "$name" "An error occurred ($code) when calling the " "$got"
    ok "$name-says-why" "$message" "$got"
}

account=$(call sts get-caller-identity --query Account)
trust='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"'$account'"},"Action":"sts:AssumeRole"}]}'
lists='{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"lambda:ListFunctions","Resource":"*"}]}'
role=arn:aws:iam::$account:role/cli

ok create-role "$role" "$(call iam create-role --role-name cli --assume-role-policy-document "$trust" --query Role.Arn)"
call iam wait role-exists --role-name cli
call iam put-role-policy --role-name cli --policy-name lists --policy-document "$lists"
ok get-role-policy lambda:ListFunctions "$(OUTPUT=json call iam get-role-policy --role-name cli --policy-name lists)"
call iam attach-role-policy --role-name cli --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole
ok list-attached AWSLambdaBasicExecutionRole "$(call iam list-attached-role-policies --role-name cli)"
policy=$(call iam create-policy --policy-name cli --policy-document "$lists" --query Policy.Arn)
ok create-policy "arn:aws:iam::$account:policy/cli" "$policy"
call iam create-user --user-name cli > /dev/null
keys=$(call iam create-access-key --user-name cli --query '[AccessKey.AccessKeyId,AccessKey.SecretAccessKey]')
as_user() { AWS_ACCESS_KEY_ID=$(echo "$keys" | cut -f1) AWS_SECRET_ACCESS_KEY=$(echo "$keys" | cut -f2) call "$@"; }
ok user-is-itself "arn:aws:iam::$account:user/cli" "$(as_user sts get-caller-identity --query Arn)"
fails user-is-denied AccessDeniedException 'is not authorized to perform: lambda:ListFunctions' as_user lambda list-functions
call iam attach-user-policy --user-name cli --policy-arn "$policy"
ok user-is-allowed '"Functions": []' "$(OUTPUT=json as_user lambda list-functions)"
session=$(call sts assume-role --role-arn "$role" --role-session-name me --query 'Credentials.[AccessKeyId,SecretAccessKey,SessionToken]')
as_role() {
    AWS_ACCESS_KEY_ID=$(echo "$session" | cut -f1) AWS_SECRET_ACCESS_KEY=$(echo "$session" | cut -f2) \
        AWS_SESSION_TOKEN=$(echo "$session" | cut -f3) call "$@"
}
ok role-is-itself "arn:aws:sts::$account:assumed-role/cli/me" "$(as_role sts get-caller-identity --query Arn)"
ok role-is-allowed '"Functions": []' "$(OUTPUT=json as_role lambda list-functions)"
fails role-is-denied AccessDenied 'is not authorized to perform: iam:ListRoles' as_role iam list-roles
fails get-nobody NoSuchEntity 'The role with name nobody cannot be found.' call iam get-role --role-name nobody
fails create-role-twice EntityAlreadyExists 'Role with name cli already exists.' \
    call iam create-role --role-name cli --assume-role-policy-document "$trust"
fails delete-too-early DeleteConflict 'must detach all policies first' call iam delete-role --role-name cli
call iam detach-user-policy --user-name cli --policy-arn "$policy"
call iam delete-policy --policy-arn "$policy"
call iam delete-access-key --user-name cli --access-key-id "$(echo "$keys" | cut -f1)"
call iam delete-user --user-name cli
call iam detach-role-policy --role-name cli --policy-arn arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole
call iam delete-role-policy --role-name cli --policy-name lists
call iam delete-role --role-name cli
fails deleted-roles-session InvalidClientTokenId 'security token included in the request is invalid' as_role sts get-caller-identity
