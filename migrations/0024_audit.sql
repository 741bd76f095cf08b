-- Secrets are stored sealed (config.sealing): `python -m admin_api.migrate` seals those that were stored in clear.
alter table merchant_secrets drop constraint merchant_secrets_secret_check;
alter table merchant_secrets add constraint merchant_secrets_secret_check
    check (secret ~ '^(whsec_[A-Za-z0-9+/]{32,88}={0,2}|sealed:[0-9a-f]{8}:[A-Za-z0-9_-]+={0,2})$');
