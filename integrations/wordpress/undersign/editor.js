/* The block in the editor: its settings at the side, and what visitors without scripts see as its preview. */
( function ( { blocks, blockEditor, components, element, i18n, serverSideRender } ) {
	const { createElement, Fragment } = element;
	const { __ } = i18n;
	const NAME = 'undersign/petition';

	blocks.registerBlockType( NAME, {
		edit( { attributes, setAttributes } ) {
			const field = ( name, label, more ) =>
				createElement( more && more.options ? components.SelectControl : components.TextControl, {
					label,
					value: attributes[ name ],
					onChange: ( value ) => setAttributes( { [ name ]: value } ),
					__next40pxDefaultSize: true,
					__nextHasNoMarginBottom: true,
					...more,
				} );
			const settings = createElement(
				components.PanelBody,
				{ title: __( 'Petition', 'undersign' ) },
				field( 'campaign', __( 'Campaign', 'undersign' ), { help: __( 'Its short name, as in its address: /c/…', 'undersign' ) } ),
				field( 'show', __( 'Show', 'undersign' ), {
					options: [
						{ value: 'form', label: __( 'Form', 'undersign' ) },
						{ value: 'counter', label: __( 'Counter', 'undersign' ) },
						{ value: 'button', label: __( 'Button', 'undersign' ) },
					],
				} ),
				field( 'language', __( 'Language', 'undersign' ), { help: __( 'As in de. Empty: that of the website.', 'undersign' ) } ),
				field( 'partner', __( 'Partner', 'undersign' ), { help: __( 'Your short name with the campaign.', 'undersign' ) } ),
				field( 'label', __( 'Text of the button', 'undersign' ) )
			);
			const preview = attributes.campaign
				? createElement( components.Disabled, {}, createElement( serverSideRender, { block: NAME, attributes } ) )
				: createElement( components.Placeholder, {
						label: __( 'Petition', 'undersign' ),
						instructions: __( 'Name the campaign in the settings of this block.', 'undersign' ),
				  } );
			return createElement(
				Fragment,
				{},
				createElement( blockEditor.InspectorControls, {}, settings ),
				createElement( 'div', blockEditor.useBlockProps(), preview )
			);
		},
		save: () => null,
	} );
} )( window.wp );
