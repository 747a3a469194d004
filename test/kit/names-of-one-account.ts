/** Two names of namespaces that give one account id. */
export const namesOfOneAccount = ["team-opfcmolo", "team-qedpffty"] as const;
