/**
 * How the reference is laid out, where that differs from what the Markdown plugin does by itself.
 */
import { MarkdownTheme, MarkdownThemeContext } from "typedoc-plugin-markdown";

class ReferenceContext extends MarkdownThemeContext {
  constructor(...given) {
    super(...given);
    const { partials } = this;
    const { signatures } = partials;
    // a signature says what it gives, a docstring the errors
    partials.signatureReturns = () => "";
    partials.inheritance = () => "";
    partials.hierarchy = () => "";
    // overloads one below the other, then what is said of them
    partials.signatures = (model, options) => {
      if (model.signatures.length < 2) return signatures(model, options);
      const titles = model.signatures.map((signature) => partials.signatureTitle(signature));
      const comments = model.signatures.map(({ comment }) => comment && partials.comment(comment));
      return [...titles, ...new Set(comments.filter(Boolean))].join("\n\n");
    };
  }
}

export class ReferenceTheme extends MarkdownTheme {
  getRenderContext(page) {
    return new ReferenceContext(this, page, this.application.options);
  }
}
