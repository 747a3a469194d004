import tseslint from "typescript-eslint";

const deciding = ["**/domain/*.ts", "**/decide.ts", "**/pods.ts", "crds/**/*.ts"];

export default tseslint.config(
  { ignores: ["dist", ".cache", "**/node_modules", "examples", "**/*.mjs", "**/*.cjs", "**/*.js"] },
  ...tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { project: "./tsconfig.json" } },
    rules: {
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      // A function type in an options object is the house's way to pass a clock or a dependency.
      "@typescript-eslint/unbound-method": "off",
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/no-unused-vars": [
        "error",
        { ignoreRestSiblings: true, argsIgnorePattern: "^_", varsIgnorePattern: "^_" },
      ],
      "max-params": ["error", 4],
    },
  },
  {
    files: deciding,
    ignores: ["**/*.test.ts", "crds/generate*.ts", "crds/**/openapi.ts"],
    rules: {
      "no-restricted-syntax": [
        "error",
        { selector: "AwaitExpression", message: "A deciding file waits for nothing: observe first, decide on data" },
        {
          selector: "CallExpression[callee.object.name='Date'][callee.property.name='now']",
          message: "Take the time as an argument",
        },
        { selector: "NewExpression[callee.name='Date'][arguments.length=0]", message: "Take the time as an argument" },
        {
          selector: "CallExpression[callee.object.name='Math'][callee.property.name='random']",
          message: "Take the draw as an argument",
        },
      ],
    },
  },
  {
    files: ["**/*.test.ts", "test/**/*.ts"],
    // describe() and it() of mocha return nothing worth awaiting; tests assert what they index.
    rules: { "@typescript-eslint/no-non-null-assertion": "off", "@typescript-eslint/no-floating-promises": "error" },
  },
);
